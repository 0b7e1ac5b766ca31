// Moves the consent page on once the phone has answered. Without script the link "Check now" does the same.
"use strict";
const desk = document.querySelector("[data-request]");
const page = "/auth/" + desk.dataset.request;
// Reloading must not begin a second request.
history.replaceState(null, "", page);
// An answer given on this page leads on by itself; going there as well would use the code twice.
let leaving = false;
addEventListener("submit", () => { leaving = true; });
const timer = setInterval(async () => {
  try {
    const answer = await fetch(page + "/status", { cache: "no-store" });
    if (answer.ok && (await answer.json()).status !== "PENDING" && !leaving) {
      clearInterval(timer);
      location.replace(page);
    }
  } catch {
    // The sandbox is away for a moment; the next try comes by itself.
  }
}, 1000);
