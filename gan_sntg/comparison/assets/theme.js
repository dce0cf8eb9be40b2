// Which theme? The system's, until the button is pressed.
(() => {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;

  function label() {
    button.textContent = dark ? "Light theme" : "Dark theme";
  }

  button.addEventListener("click", () => {
    dark = !dark;
    root.dataset.theme = dark ? "dark" : "light";
    label();
  });

  button.hidden = false;
  label();
})();
