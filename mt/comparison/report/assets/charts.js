// Tooltips of charts, by pointer, touch and arrow keys. svg.py writes the points as data-points attributes: [x, y, text], in units of
// the drawing. Text enters the page as text only, never as HTML.
(function () {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const MAX_DISTANCE = 110; // of a point that has a tooltip from the pointer, in units of the drawing

  function prepare(chart) {
    const lines = [...chart.querySelectorAll(".line")].map((line) => ({ line, points: JSON.parse(line.dataset.points) }));
    const all = lines.flatMap(({ line, points }, row) => points.map(([x, y, text], column) => ({ line, x, y, text, row, column })));
    const box = chart.parentNode;
    const ring = document.createElementNS(SVG, "circle");
    ring.setAttribute("class", "ring");
    ring.setAttribute("r", "8");
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "status");
    tip.hidden = true;
    box.appendChild(tip);
    let current = null;

    function hide() {
      current = null;
      tip.hidden = true;
      ring.remove();
      box.classList.remove("pointed");
      for (const { line } of lines) line.classList.remove("near");
    }

    function show(point) {
      if (point === current) return;
      hide();
      current = point;
      point.line.classList.add("near");
      box.classList.add("pointed");
      ring.setAttribute("cx", point.x);
      ring.setAttribute("cy", point.y);
      chart.appendChild(ring);
      tip.textContent = point.text;
      tip.hidden = false;
      const scale = chart.clientWidth / chart.viewBox.baseVal.width;
      const left = Math.min(Math.max(0, point.x * scale - tip.offsetWidth / 2), box.clientWidth - tip.offsetWidth);
      const above = point.y * scale - tip.offsetHeight - 14;
      tip.style.left = left + "px";
      tip.style.top = (above < 0 ? point.y * scale + 14 : above) + "px";
    }

    function showNearest(event) {
      const frame = chart.getBoundingClientRect();
      const scale = chart.viewBox.baseVal.width / frame.width;
      const x = (event.clientX - frame.left) * scale, y = (event.clientY - frame.top) * scale;
      let closest = null, minimum = MAX_DISTANCE;
      for (const point of all) {
        const distance = Math.hypot(point.x - x, point.y - y);
        if (distance < minimum) [closest, minimum] = [point, distance];
      }
      if (closest) show(closest); else hide();
    }
    chart.addEventListener("pointermove", showNearest);
    chart.addEventListener("pointerdown", showNearest);
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("blur", hide);

    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    chart.addEventListener("keydown", (event) => {
      if (event.key === "Escape") hide();
      if (!(event.key in steps) || !all.length) return;
      event.preventDefault(); // do not scroll the page
      const [down, right] = current ? steps[event.key] : [0, 0];
      const row = Math.min(lines.length - 1, Math.max(0, (current ? current.row : 0) + down));
      const last = lines[row].points.length - 1;
      const column = Math.min(last, Math.max(0, (current ? current.column : 0) + right));
      show(all.find((point) => point.row === row && point.column === column));
    });
  }

  for (const chart of document.querySelectorAll("svg.chart")) prepare(chart);
})();
