// A button on every block of code that copies it, without the prompts and the output of an example.
"use strict";
(() => {
  /** What there is to copy: of an example with prompts only what was typed. */
  function code(text) {
    const lines = text.replace(/\n$/, "").split("\n");
    if (!lines.some((line) => line.startsWith(">>> "))) return lines.join("\n");
    return lines.filter((line) => /^(>>>|\.\.\.)( |$)/.test(line)).map((line) => line.slice(4)).join("\n");
  }

  globalThis.clrCopy = (block) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "clr-copy", textContent: "Copy" });
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code(block.textContent));
        button.textContent = "Copied";
      } catch { // no permission, or a page that is not served by https
        getSelection().selectAllChildren(block);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    block.before(button);
  };

  document.querySelectorAll("div.highlight pre").forEach(globalThis.clrCopy);
})();
