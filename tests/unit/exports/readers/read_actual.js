// Runs where the source of Actual Budget's importers is: answers "path" by its extension, as one line of JSON.
"use strict";

const fs = require("fs");
const path = require("path");
const readline = require("readline");
const esbuild = require("esbuild");

const places = process.env.NODE_PATH;
const built = esbuild.buildSync({
  stdin: {
    contents: `export { qif2json } from "./qif2json"; export { ofx2json } from "./ofx2json";
      export { xmlCAMT2json } from "./xmlcamt2json";`,
    resolveDir: path.join(places, "..", "package", "src", "server", "transactions", "import"),
  },
  bundle: true,
  platform: "node",
  format: "cjs",
  write: false,
  nodePaths: [places],
});
globalThis.navigator ??= { userAgent: "" };
const actual = { exports: {} };
new Function("module", "exports", "require", built.outputFiles[0].text)(actual, actual.exports, require);
const { qif2json, ofx2json, xmlCAMT2json } = actual.exports;
const readers = { qif: qif2json, ofx: ofx2json, camt: xmlCAMT2json };

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const content = fs.readFileSync(line.trim(), "utf-8");
    const kind = content.includes("<OFX>") ? "ofx" : content.includes("<Document") ? "camt" : "qif";
    const found = await readers[kind](content);
    console.log(JSON.stringify(found.transactions ?? found));
  }
})();
