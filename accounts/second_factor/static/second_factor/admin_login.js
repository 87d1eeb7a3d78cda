"use strict";

// Where the browser has passkeys, the page has a button that sends one in place of what is typed.
const form = document.getElementById("login-form");
const button = document.getElementById("passkey-button");
const failure = document.getElementById("passkey-failure");

async function showPasskey() {
  failure.hidden = true;
  button.disabled = true;
  try {
    const options = JSON.parse(form.dataset.passkeyOptions);
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({ publicKey });
    form.elements.passkey.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch {
    // Declined, or there is none: browsers tell no page which.
    failure.hidden = false;
    button.disabled = false;
  }
}

if (window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
  button.hidden = false;
  button.addEventListener("click", showPasskey);
  // Whoever comes back to the page has sent this one already.
  window.addEventListener("pageshow", () => {
    form.elements.passkey.value = "";
    button.disabled = false;
  });
}
