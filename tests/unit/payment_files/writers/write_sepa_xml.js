// Runs where sepa-xml is: answers each line of JSON with the file that it writes from its template.
const readline = require("node:readline");
const SepaXML = require("sepa-xml");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  const file = new SepaXML(asked.version);
  file.setHeaderInfo({ messageId: "M-1", initiator: "Bakkerij Zon" });
  file.setPaymentInfo({
    id: "B-1",
    method: "TRF",
    batchBooking: true,
    senderName: "Bakkerij Zon",
    senderIBAN: asked.debtor_iban,
    bic: "BUNQNL2A",
    when: new Date(asked.orders[0].day),
  });
  for (const order of asked.orders) {
    file.addTransaction({
      id: order.reference,
      amount: order.cents / 100,
      name: order.name,
      iban: order.iban,
      bic: "RABONL2U",
      description: order.text,
    });
  }
  file.compile((error, written) => {
    if (error) throw error;
    console.log(JSON.stringify(written));
  });
});
