// Adds calls to the log as they come. Without script the link "Refresh" does the same.
"use strict";
const log = document.getElementById("log");
let newest = Number(log.dataset.newest);

const cell = (kind, className, text) => {
  const made = document.createElement(kind);
  made.setAttribute("role", kind === "th" ? "rowheader" : "cell");
  if (className) made.className = className;
  made.textContent = text;
  return made;
};

const row = (call) => {
  const made = document.createElement("tr");
  made.setAttribute("role", "row");
  const status = document.createElement("span");
  status.className = "pill " + (call.status < 400 ? "ok" : "bad");
  status.textContent = call.status;
  const answer = cell("td", "", "");
  answer.append(status);
  const verdict = Object.entries(call.verdicts).map(([name, text]) => `${name}: ${text}`).join(" · ");
  made.append(
    cell("td", "n", call.at.slice(11, 23)),
    cell("th", "mono", `${call.method} ${call.path}`),
    answer,
    cell("td", "meta", verdict)
  );
  return made;
};

setInterval(async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch("/__sandbox/calls?after=" + newest, { cache: "no-store" });
    if (!answer.ok) return;
    for (const call of (await answer.json()).calls) {
      log.querySelector(".none")?.remove();
      log.prepend(row(call));
      newest = call.number;
    }
    while (log.rows.length > 200) log.lastElementChild.remove();
  } catch {
    // The sandbox is away for a moment; the next try comes by itself.
  }
}, 1000);
