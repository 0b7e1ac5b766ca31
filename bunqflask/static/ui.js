/* Every page works without this file. */
const $ = (what, root = document) => root.querySelector(what);
const all = (what) => document.querySelectorAll(what);
const on = (...listener) => document.addEventListener(...listener);
const say = (text) => { $("#say").textContent = text; };
const ready = () => all("button[hidden]" + (window.htmx ? ", [data-scripted]" : "") + (navigator.share ? ", [data-sharing]" : "")).forEach((part) => { part.hidden = false; });
const keys = $("#keys-on");
const opened = new Map();
let last = "", typed, asked, held;

async function copy(button) {
  const field = $("#" + button.dataset.copy), word = $("span", button), before = word.textContent;
  field.select();
  try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
  say(word.textContent = button.dataset.done);
  setTimeout(() => { word.textContent = before; }, 2000);
}

// Where the system has a way to share; who gives up sharing is asked nothing.
function share(button) {
  navigator.share({ title: button.dataset.title, url: $("#" + button.dataset.share).value }).catch(() => {});
}

function show(button) {
  const field = $("#" + button.dataset.show), shown = field.type === "password";
  field.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", shown);
}

on("click", (event) => {
  const at = (what) => event.target.closest(what);
  if (at("[data-copy]")) copy(at("[data-copy]"));
  if (at("[data-show]")) show(at("[data-show]"));
  if (at("[data-share]")) share(at("[data-share]"));
  if (at("[data-print]")) print();
  if (at("[data-keys]")) $("#keys").showModal();
  if (at("dialog [data-close]")) { event.preventDefault(); at("dialog").close(); }
  closeMenus(at(".drop"));
});

// Menus close when one goes elsewhere.
function closeMenus(but) {
  all(".drop[open]").forEach((menu) => { if (menu !== but) menu.open = false; });
}
on("keydown", ({ key, target }) => {
  const menu = key === "Escape" && target.closest(".drop[open]");
  if (menu) { menu.open = false; $("summary", menu).focus(); }
});

// IBANs are shown in fours, copied without spaces.
on("copy", (event) => {
  const chosen = getSelection(), iban = chosen.anchorNode?.parentElement?.closest(".iban");
  if (!iban?.contains(chosen.focusNode)) return;
  event.clipboardData.setData("text/plain", `${chosen}`.replace(/\s/g, ""));
  event.preventDefault();
});

setInterval(() => all("[data-countdown]").forEach((timer) => {
  const { countdown, minutes, seconds } = timer.dataset;
  const left = Math.max(0, (new Date(countdown) - new Date()) / 1000 | 0);
  timer.textContent = left < 60 ? `${left} ${seconds}` : `${left / 60 | 0} ${minutes}`;
}), 1000);

// What was opened stays open after a swap.
on("toggle", ({ target }) => opened.set(target.id, target.open), true);
on("htmx:afterSettle", ({ target, detail }) => {
  ready();
  all("details[id]").forEach((part) => { part.open ||= opened.get(part.id); });
  // What is inside of them could not keep the focus while they were closed.
  if (held && document.activeElement === document.body) document.getElementById(held)?.focus();
  const dialog = target.closest("dialog"), line = $("[data-say]", target), next = $("[data-close], [data-focus]", target);
  dialog?.showModal();
  if (next && (next.dataset.focus !== "lost" || document.activeElement === document.body)) next.focus();
  // A page that asks again by itself repeats nothing; a press is always answered.
  else if (line && (detail.requestConfig?.triggeringEvent || line.textContent !== $("#say").textContent)) say(line.textContent);
});
// What is typed into the search while an answer is on its way stays, and is searched for.
on("htmx:beforeSwap", () => {
  const at = document.activeElement;
  held = at.id;
  typed = at.id === "f-q" && [at.value, at.selectionStart];
});
on("htmx:afterSwap", () => {
  const field = $("#f-q");
  if (typed && field && field.value !== typed[0]) { field.value = typed[0]; field.setSelectionRange(typed[1], typed[1]); }
});
on("htmx:afterSettle", () => {
  const field = $("#f-q");
  if (!field || field.value === asked || field.value.trim() === field.defaultValue) return;
  asked = field.value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
// A refused press is repeated without htmx: that page says why.
on("htmx:responseError", ({ target }) => { if (target.matches("form, a")) target.submit ? target.submit() : location = target.href; });

// A form that was sent is not sent again while its answer is on the way.
on("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.sent) event.preventDefault();
  // Shown passwords are sent as passwords, so that the browser does not remember them as words.
  form.querySelectorAll("[data-show][aria-pressed=true]").forEach(show);
  form.sent = setTimeout(() => { form.sent = 0; }, 3000);
});

on("keydown", (event) => {
  const { key } = event, before = last;
  last = key;
  if (!keys?.checked || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (before + key === "ga") $(".brand").click();
  if (before + key === "gp") $(".nav [href$='/payments']").click();
  if (key === "/" && $("#f-q")) { event.preventDefault(); $("#f-q").focus(); }
  if (key === "r") all("[data-refresh]").forEach((button, n) => { if (!n || window.htmx) button.click(); });
  if (key === "?") $("#keys").showModal();
  if (key === "h") { $("#look [name=hide_amounts]").click(); $("#look").requestSubmit(); }
});

ready();
if (keys) {
  keys.checked = localStorage.keys !== "off";
  keys.onchange = () => { localStorage.keys = keys.checked || "off"; };
}
