// Asks the browser for a passkey and sends its answer with the form it stands in. Codes work without this file.
(() => {
  "use strict";

  const bytes = (text) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const described = (list) => (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));

  const asked = (question) => {
    const options = { ...question, challenge: bytes(question.challenge) };
    if (question.user) options.user = { ...question.user, id: bytes(question.user.id) };
    if (question.allowCredentials) options.allowCredentials = described(question.allowCredentials);
    if (question.excludeCredentials) options.excludeCredentials = described(question.excludeCredentials);
    return options;
  };

  const answered = (credential) => {
    const from = credential.response;
    const response = { clientDataJSON: text(from.clientDataJSON) };
    if (from.attestationObject) {
      response.attestationObject = text(from.attestationObject);
      response.transports = from.getTransports?.() ?? [];
    } else {
      response.authenticatorData = text(from.authenticatorData);
      response.signature = text(from.signature);
      if (from.userHandle) response.userHandle = text(from.userHandle);
    }
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment,
      clientExtensionResults: credential.getClientExtensionResults(),
      response,
    });
  };

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    if (!window.PublicKeyCredential) continue;
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      const field = form.elements.namedItem("passkey");
      if (field.value) return;
      event.preventDefault();
      const said = form.querySelector("[role=status]");
      const publicKey = asked(JSON.parse(form.dataset.passkey));
      try {
        const credential = publicKey.user
          ? await navigator.credentials.create({ publicKey })
          : await navigator.credentials.get({ publicKey });
        field.value = answered(credential);
        form.requestSubmit();
      } catch (error) {
        said.textContent = `The browser gave no passkey: ${error.name === "NotAllowedError" ? "it was canceled or took too long" : error.message}. Try again, or use a code.`;
      }
    });
  }
})();
