// Which grids are seen? Of each run that of the slider's epoch, else its nearest before it, as the caption then says.
(() => {
  const slider = document.getElementById("epoch");
  if (!slider) return;
  const epochs = slider.dataset.epochs.split(" ").map(Number);

  function show(figure, epoch) {
    const images = [...figure.querySelectorAll("img")];
    const seen = images.findLast((image) => Number(image.dataset.epoch) <= epoch);
    for (const image of images) image.hidden = image !== seen;
    const at = seen && Number(seen.dataset.epoch);
    figure.querySelector(".said").textContent = !seen ? "no grid yet" : at === epoch ? `epoch ${at}` : `epoch ${at}, the last before`;
  }

  function update() {
    const epoch = epochs[slider.value];
    document.getElementById("at").textContent = epoch;
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    for (const figure of document.querySelectorAll("figure.run")) show(figure, epoch);
  }

  slider.addEventListener("input", update);
  update();
})();
