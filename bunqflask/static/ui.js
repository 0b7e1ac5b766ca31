/* Handy things only: every page works without this file. */
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const opened = new Map();
  const say = (text) => { const line = $("#say"); if (line) line.textContent = text; };
  const show = (dialog) => dialog && !dialog.open && dialog.showModal();
  const keysOn = () => { try { return localStorage.getItem("keys") !== "off"; } catch { return true; } };
  const ready = () => all("[data-copy][hidden], [data-dialog][hidden]").forEach((button) => { button.hidden = false; });

  const copy = async (button) => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    const word = $("span", button), before = word.textContent;
    say(word.textContent = button.dataset.done);
    button.disabled = true;
    setTimeout(() => { word.textContent = before; button.disabled = false; }, 2000);
  };

  document.addEventListener("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    if (at("[data-copy]")) copy(at("[data-copy]"));
    if (at("[data-dialog]")) { $("#menu")?.hidePopover?.(); show($("#" + at("[data-dialog]").dataset.dialog)); }
    if (at("dialog [data-close]")) { event.preventDefault(); at("dialog").close(); }
  });

  document.addEventListener("copy", (event) => {
    const from = getSelection().anchorNode?.parentElement?.closest(".iban");
    if (!from?.contains(getSelection().focusNode)) return;
    event.clipboardData.setData("text/plain", String(getSelection()).replace(/\s/g, ""));
    event.preventDefault();
  });

  setInterval(() => all("[data-countdown]").forEach((timer) => {
    const left = Math.max(0, Math.floor((new Date(timer.dataset.countdown) - Date.now()) / 1000));
    timer.textContent = left < 60 ? `${left} ${timer.dataset.seconds}` : `${Math.floor(left / 60)} ${timer.dataset.minutes}`;
  }), 1000);

  document.addEventListener("toggle", ({ target }) => target.id && opened.set(target.id, target.open), true);
  document.addEventListener("htmx:afterSettle", ({ target }) => {
    ready();
    opened.forEach((open, id) => { const part = document.getElementById(id); if (open && part?.matches("details")) part.open = true; });
    if (target.matches("dialog")) { show(target); $("[data-close]", target)?.focus(); return; }
    const line = $("[data-say]", target);
    if (line) say(line.textContent.trim());
    (target.matches("[data-focus]") ? target : $("[data-focus]", target))?.focus();
  });

  let last = "";
  document.addEventListener("keydown", (event) => {
    const key = event.key, after = last;
    last = key;
    if (!keysOn() || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
    if (after === "g" && key === "a") location.assign($(".brand").href);
    if (key === "r") all("[data-refresh]").slice(0, window.htmx ? 99 : 1).forEach((button) => button.click());
    if (key === "?") show($("#keys"));
    if (key === "h" && $("#look")) { const box = $("#look [name=hide_amounts]"); box.checked = !box.checked; $("#look").requestSubmit(); }
  });

  const box = $("#keys-on");
  if (box) {
    box.checked = keysOn();
    box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
  }
  ready();
})();
