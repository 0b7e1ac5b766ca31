// Runs where sepa.js is: answers each line of JSON with the file that it writes.
const readline = require("node:readline");
const SEPA = require("sepa");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  const file = new SEPA.Document(asked.version);
  file.grpHdr.id = "M-1";
  file.grpHdr.created = new Date("2026-11-29T08:00:00Z");
  file.grpHdr.initiatorName = "Bakkerij Zon";
  for (const order of asked.orders) {
    const info = file.createPaymentInfo();
    info.requestedExecutionDate = new Date(order.day);
    info.debtorName = "Bakkerij Zon";
    info.debtorIBAN = asked.debtor_iban;
    info.debtorBIC = "BUNQNL2A";
    file.addPaymentInfo(info);
    const transfer = info.createTransaction();
    transfer.creditorName = order.name;
    transfer.creditorIBAN = order.iban;
    transfer.amount = order.cents / 100;
    transfer.remittanceInfo = order.text;
    transfer.end2endId = order.reference;
    info.addTransaction(transfer);
  }
  console.log(JSON.stringify(file.toString()));
});
