// What @bunq-community/bunq-js-client does at the simulated bank. Runs in an environment of its own.
// Usage: node js_story.js MODULES ORIGIN API_KEY ACCESS_TOKEN; prints one JSON line per step.
"use strict";

const assert = require("assert");
const path = require("path");
const [modules, origin, apiKey, accessToken] = process.argv.slice(2);
const BunqJSClient = require(path.join(modules, "@bunq-community/bunq-js-client")).default;

const memory = () => {
  const kept = new Map();
  return {
    get: (key) => (kept.has(key) ? JSON.parse(kept.get(key)) : undefined),
    set: (key, value) => kept.set(key, JSON.stringify(value)),
    remove: (key) => kept.delete(key),
  };
};
const quiet = { trace() {}, debug() {}, log() {}, info() {}, warn() {}, error() {} };
const BRAVO = { type: "EMAIL", value: "bravo@bunq.com", name: "Bravo" };
const ENCRYPTION_KEY = "3c7a4d431a846ed33a3bb1b1fa9b5c26";
const eur = (value) => ({ value, currency: "EUR" });
const steps = [];
const step = (name, action) => steps.push([name, action]);

const start = async (secret, name) => {
  const client = new BunqJSClient(memory(), quiet);
  client.setKeepAlive(false);
  await client.run(secret, [], "SANDBOX", ENCRYPTION_KEY);
  client.Session.environmentUrl = origin;
  await client.install();
  await client.registerDevice(name);
  await client.registerSession();
  return client;
};

let client, user, account;

step("installs_registers_and_opens_a_session", async () => {
  client = await start(apiKey, "js story");
  const users = await client.getUsers(true);
  user = users.UserPerson;
  assert.strictEqual(user.id, 1864430);
});

step("lists_accounts", async () => {
  const accounts = await client.api.monetaryAccount.list(user.id);
  assert.deepStrictEqual(accounts.map((each) => each.MonetaryAccountBank.balance.value), ["4118.00", "1900.00", "954.00", "1643.00"]);
  account = accounts[0].MonetaryAccountBank;
});

step("pays_and_reads_payments", async () => {
  const made = await client.api.payment.post(user.id, account.id, "lunch", eur("10.00"), BRAVO);
  const id = made[0].Id.id;
  const payment = await client.api.payment.get(user.id, account.id, id);
  assert.strictEqual(payment.Payment.amount.value, "-10.00");
  const listed = await client.api.payment.list(user.id, account.id, { count: 1 });
  assert.strictEqual(listed[0].Payment.id, id);
});

step("prepares_and_cancels_drafts", async () => {
  const made = await client.api.draftPayment.post(user.id, account.id, "draft", eur("5.00"), BRAVO);
  const draft = await client.api.draftPayment.get(user.id, account.id, made[0].Id.id);
  assert.strictEqual(draft.DraftPayment.status, "PENDING");
});

step("asks_for_money", async () => {
  const made = await client.api.requestInquiry.post(user.id, account.id, "please", eur("3.00"), BRAVO);
  const listed = await client.api.requestInquiry.list(user.id, account.id);
  assert.strictEqual(listed[0].RequestInquiry.id, made[0].Id.id);
});

step("makes_a_payment_link", async () => {
  await client.api.bunqMeTabs.post(user.id, account.id, "cake", eur("2.00"));
  const listed = await client.api.bunqMeTabs.list(user.id, account.id);
  assert.strictEqual(listed[0].BunqMeTab.status, "WAITING_FOR_PAYMENT");
});

step("lists_cards_and_events", async () => {
  assert.ok(Array.isArray(await client.api.card.list(user.id)));
  assert.ok((await client.api.event.list(user.id)).length > 0);
});

step("is_told_of_errors_in_bunqs_shape", async () => {
  await assert.rejects(
    () => client.api.payment.post(user.id, account.id, "too much", eur("99999.00"), BRAVO),
    (error) => error.response.status === 400 && error.response.data.Error[0].error_description === "Insufficient balance."
  );
});

step("opens_an_oauth_session_of_its_own", async () => {
  const oauth = await start(accessToken, "js story oauth");
  const users = await oauth.getUsers(true);
  const shown = Object.values(users)[0];
  const accounts = await oauth.api.monetaryAccount.list(shown.id);
  assert.strictEqual(accounts.length, 2);
  await oauth.destroyApiSession();
});

step("closes_its_session", async () => {
  await client.destroyApiSession();
});

(async () => {
  for (const [name, action] of steps) {
    let error = null;
    try {
      await action();
    } catch (problem) {
      const answer = problem.response && JSON.stringify(problem.response.data);
      error = `${problem.stack || problem}\n${answer || ""}`;
    }
    console.log(JSON.stringify({ step: name, error }));
  }
  process.exit(0);
})();
