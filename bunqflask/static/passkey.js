/* Passkeys: where a browser has none, or this file does not run, their buttons stay hidden. */
const has = window.PublicKeyCredential?.parseCreationOptionsFromJSON;

async function ask({ passkey, options }, form) {
  const answer = await fetch(options, { method: "POST", body: new URLSearchParams({ csrf_token: form.csrf_token.value }) });
  if (!answer.ok) throw new Error(answer.status);
  const given = await answer.json();
  return passkey === "create"
    ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(given) })
    : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(given) });
}

async function press(button) {
  const form = button.closest("form"), failed = form.querySelector("[data-passkey-failed]");
  button.disabled = true;
  failed.textContent = "";
  try {
    const credential = await ask(button.dataset, form);
    form.elements[button.dataset.field].value = JSON.stringify(credential.toJSON());
    HTMLFormElement.prototype.submit.call(form);
  } catch {
    failed.setAttribute("role", "alert");
    failed.textContent = failed.dataset.passkeyFailed;
    button.disabled = false;
  }
}

document.querySelectorAll("[data-passkey]").forEach((button) => {
  if (!has) return;
  button.parentElement.hidden = false;
  button.addEventListener("click", () => press(button));
});
