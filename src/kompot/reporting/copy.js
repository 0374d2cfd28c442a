"use strict";
(() => {
  // Buttons that copy the code beside them.
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const code = document.getElementById(button.dataset.copy);
      const selection = window.getSelection();
      selection.selectAllChildren(code);
      const say = (text) => {
        button.textContent = text;
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      };
      if (navigator.clipboard) {
        navigator.clipboard.writeText(code.textContent).then(
          () => say("Copied"),
          () => say("Selected: press Ctrl+C"),
        );
      } else {
        say(document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C");
      }
    });
  }
})();
