/* Handy things only: every page works without this file. */
(() => {
  const $ = (what, root = document) => root.querySelector(what);
  const all = (what) => document.querySelectorAll(what);
  const on = (event, act, early) => document.addEventListener(event, act, early);
  const opened = new Map();
  const say = (text) => { $("#say").textContent = text; };
  const show = (dialog) => dialog.open || dialog.showModal();
  const keys = $("#keys-on");
  const ready = () => all("button[hidden]").forEach((button) => { button.hidden = false; });

  const copy = async (button) => {
    const field = $("#" + button.dataset.copy);
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    const word = $("span", button), before = word.textContent;
    say(word.textContent = button.dataset.done);
    setTimeout(() => { word.textContent = before; }, 2000);
  };

  on("click", (event) => {
    const at = (what) => event.target.closest(what);
    if (at("[data-copy]")) copy(at("[data-copy]"));
    if (at("[data-dialog]")) show($("#" + at("[data-dialog]").dataset.dialog));
    if (at("dialog [data-close]")) { event.preventDefault(); at("dialog").close(); }
  });

  // An IBAN is shown in fours and copied without the spaces.
  on("copy", (event) => {
    const chosen = getSelection(), iban = chosen.anchorNode?.parentElement?.closest(".iban");
    if (!iban?.contains(chosen.focusNode)) return;
    event.clipboardData.setData("text/plain", `${chosen}`.replace(/\s/g, ""));
    event.preventDefault();
  });

  setInterval(() => all("[data-countdown]").forEach((timer) => {
    const { countdown, minutes, seconds } = timer.dataset;
    const left = Math.max(0, (new Date(countdown) - Date.now()) / 1000 | 0);
    timer.textContent = left < 60 ? `${left} ${seconds}` : `${left / 60 | 0} ${minutes}`;
  }), 1000);

  // What a person opened stays open when the part around it is replaced.
  on("toggle", ({ target }) => opened.set(target.id, target.open), true);
  on("htmx:afterSettle", ({ target }) => {
    ready();
    all("details[id]").forEach((part) => { part.open ||= opened.get(part.id); });
    const dialog = target.closest("dialog"), line = $("[data-say]", target);
    if (dialog) show(dialog);
    const next = $(dialog ? "[data-close]" : "[data-focus]", target);
    if (next) next.focus(); else if (line) say(line.textContent);
  });

  let last = "";
  on("keydown", (event) => {
    const { key } = event, pair = last + key;
    last = key;
    if (!keys?.checked || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, dialog")) return;
    if (pair === "ga") $(".brand").click();
    if (key === "r") all("[data-refresh]").forEach((button, n) => { if (!n || window.htmx) button.click(); });
    if (key === "?") show($("#keys"));
    if (key === "h") { $("#look [name=hide_amounts]").click(); $("#look").requestSubmit(); }
  });

  ready();
  if (keys) {
    keys.checked = !localStorage.noKeys;
    keys.onchange = () => { localStorage.noKeys = keys.checked ? "" : "1"; };
  }
})();
