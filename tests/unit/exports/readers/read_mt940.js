// Runs where mt940js and mt940-js are: answers each path on standard input with what both read, as one line of JSON.
"use strict";

const fs = require("fs");
const readline = require("readline");
const { Parser } = require("mt940js");
const { read } = require("mt940-js");

const signed = (amount, isCredit) => (isCredit ? amount : -amount);

const ofMt940js = (content) =>
  new Parser().parse(content.toString("ascii")).map((one) => ({
    account: one.accountIdentification,
    opening: one.openingBalance,
    closing: one.closingBalance,
    payments: one.transactions.map((each) => [
      each.bankReference,
      each.date.toISOString().slice(0, 10),
      each.amount,
      each.details,
    ]),
  }));

const ofMt940Dash = async (content) =>
  (await read(content)).map((one) => ({
    account: one.accountId,
    opening: signed(one.openingBalance.value, one.openingBalance.isCredit),
    closing: signed(one.closingBalance.value, one.closingBalance.isCredit),
    payments: one.transactions.map((each) => [
      each.bankReference || null,
      each.valueDate,
      signed(each.amount, each.isCredit),
      each.description,
    ]),
  }));

(async () => {
  for await (const path of readline.createInterface({ input: process.stdin })) {
    const content = fs.readFileSync(path.trim());
    console.log(JSON.stringify({ mt940js: ofMt940js(content), "mt940-js": await ofMt940Dash(content) }));
  }
})();
