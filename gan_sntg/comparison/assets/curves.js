// How do metrics go with the epoch, in each run? Lines with gaps where there is no number; one cursor reads the values of all charts.
(() => {
  const data = document.getElementById("metrics");
  if (!data) return;
  const { epochs, values } = JSON.parse(data.textContent);
  const all = [...new Set(epochs.flat())].sort((a, b) => a - b);
  const edge = { left: 68, right: 16, top: 32, bottom: 40 };
  const HEIGHT = 300;
  const MARKS = 12; // on a line, about
  const movers = [];
  let cursor = all.length - 1;

  // A round step of about a `count`th of the span.
  function step(span, count) {
    const power = 10 ** Math.floor(Math.log10(span / count));
    return [1, 2, 5, 10].map((k) => k * power).find((s) => span / s <= count);
  }

  function ticks(low, high, size) {
    const first = Math.ceil(low / size - 1e-9);
    const last = Math.floor(high / size + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * size).toPrecision(12)));
  }

  // The range of the values to round numbers, and the step between these; from 0 where they come near it.
  function range(numbers) {
    let low = Math.min(...numbers);
    let high = Math.max(...numbers);
    if (low >= 0 && low <= high - low) low = 0;
    if (low === high) [low, high] = [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2];
    const size = step(high - low, 5);
    return [Math.floor(low / size) * size, Math.ceil(high / size) * size, size];
  }

  function shown(value) {
    return value === null || value === undefined ? "–" : String(Number(value.toPrecision(4)));
  }

  function move(to) {
    cursor = Math.min(Math.max(to, 0), all.length - 1);
    for (const mover of movers) mover(all[cursor]);
  }

  function start(figure) {
    const chart = figure.querySelector(".chart");
    const svg = chart.querySelector("svg");
    const select = figure.querySelector("select");
    const outputs = figure.querySelectorAll("li output");
    const names = [...figure.querySelectorAll("li .name")].map((name) => name.textContent);
    let x, y;

    function add(parent, tag, attributes, text) {
      const node = document.createElementNS(svg.namespaceURI, tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      if (text !== undefined) node.textContent = text;
      return parent.appendChild(node);
    }

    function axes(width, low, high, size) {
      for (const value of ticks(low, high, size)) {
        add(svg, "path", { d: `M${edge.left} ${y(value)}H${width - edge.right}`, class: "rule" });
        add(svg, "text", { x: edge.left - 8, y: y(value) + 4, "text-anchor": "end" }, value);
      }
      const between = all.length > 1 ? step(all.at(-1) - all[0], Math.max(2, Math.floor(width / 90))) : 1;
      for (const epoch of ticks(all[0], all.at(-1), Math.max(between, 1))) {
        add(svg, "text", { x: x(epoch), y: HEIGHT - edge.bottom + 18, "text-anchor": "middle" }, epoch);
      }
      add(svg, "text", { x: 0, y: 14 }, select.selectedOptions[0].parentElement.label);
      add(svg, "text", { x: (edge.left + width - edge.right) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, "epoch");
    }

    function line(run, numbers) {
      const there = (k) => typeof numbers[k] === "number";
      const group = add(svg, "g", { class: `run-${run}` });
      const points = numbers.map((v, k) => there(k) && `${there(k - 1) ? "L" : "M"}${x(epochs[run][k])} ${y(v)}`);
      add(group, "path", { d: points.filter(Boolean).join(""), class: "line" });
      const every = Math.ceil(numbers.length / MARKS);
      numbers.forEach((value, k) => {
        const alone = there(k) && !there(k - 1) && !there(k + 1);
        if (there(k) && (alone || k % every === 0)) add(group, "use", { href: `#mark-${run}`, x: x(epochs[run][k]), y: y(value) });
      });
    }

    function draw() {
      const width = chart.clientWidth;
      const metric = values[select.value];
      const numbers = metric.flat().filter((value) => value !== null);
      const [low, high, size] = range(numbers.length ? numbers : [0]);
      const span = all.at(-1) - all[0] || 1;
      x = (epoch) => edge.left + ((epoch - all[0]) / span) * (width - edge.left - edge.right);
      y = (value) => HEIGHT - edge.bottom - ((value - low) / (high - low)) * (HEIGHT - edge.top - edge.bottom);
      svg.replaceChildren();
      svg.setAttribute("width", width);
      svg.setAttribute("height", HEIGHT);
      axes(width, low, high, size);
      metric.forEach((numbers, run) => line(run, numbers));
      add(svg, "path", { class: "cursor" });
      read(all[cursor]);
    }

    function read(epoch) {
      svg.querySelector(".cursor")?.setAttribute("d", `M${x(epoch)} ${edge.top}V${HEIGHT - edge.bottom}`);
      figure.querySelector(".at").textContent = epoch;
      const found = epochs.map((own, run) => shown(values[select.value][run][own.indexOf(epoch)]));
      outputs.forEach((output, run) => (output.textContent = found[run]));
      chart.setAttribute("aria-valuenow", epoch);
      chart.setAttribute("aria-valuetext", `epoch ${epoch}: ${names.map((name, run) => `${name} ${found[run]}`).join(", ")}`);
    }

    const keys = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity };
    chart.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      move(cursor + keys[event.key]);
    });
    chart.addEventListener("pointermove", (event) => {
      const at = event.clientX - chart.getBoundingClientRect().left;
      const far = all.map((epoch) => Math.abs(x(epoch) - at));
      move(far.indexOf(Math.min(...far)));
    });
    select.addEventListener("change", draw);
    chart.setAttribute("aria-valuemin", all[0]);
    chart.setAttribute("aria-valuemax", all.at(-1));
    movers.push(read);
    new ResizeObserver(draw).observe(chart);
  }

  document.querySelectorAll("figure.curve").forEach(start);
})();
