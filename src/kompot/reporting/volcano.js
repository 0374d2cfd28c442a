"use strict";
// The plot of the genes. `table` tells what is shown and found: columns(group), find(group, key),
// shown(column, value), state, rows(); search(text) is called with the gene that was clicked.
const makeVolcano = (data, table) => {
  const byId = (id) => document.getElementById(id);
  const { find, shown, state } = table;
  const genes = data.genes;
  const canvas = byId("volcano");
  const plot = { x: [], y: [], rows: [] };

  function heights() {
    const donor = find(state.group, "donor_pvalue");
    if (donor) return [donor.values.map(minusLog10), "-log10 p between donors"];
    const distance = find(state.group, "mahalanobis");
    if (distance) return [distance.values, "Mahalanobis distance"];
    const rate = find(state.group, "donor_fdr") || find(state.group, "local_fdr");
    return rate ? [rate.values.map(minusLog10), `-log10 ${rate.title}`] : null;
  }

  const minusLog10 = (value) => (value === null ? null : -Math.log10(Math.max(value, 1e-300)));

  function ticks(low, high, most) {
    const rough = (high - low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
    const places = [];
    for (let k = Math.ceil(low / step); k * step <= high; k += 1) places.push(k * step);
    return places;
  }

  function drawVolcano() {
    const lfc = find(state.group, "mean_lfc");
    const found = heights();
    const box = byId("volcano-box");
    box.hidden = !lfc || !found;
    byId("volcano-static").hidden = !box.hidden;
    if (box.hidden) return;
    const [tall, label] = found;
    const called = find(state.group, "is_de");
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    let reach = 0;
    let top = 0;
    for (let row = 0; row < genes.length; row += 1) {
      if (lfc.values[row] === null || tall[row] === null) continue;
      reach = Math.max(reach, Math.abs(lfc.values[row]));
      top = Math.max(top, tall[row]);
    }
    reach = reach * 1.08 || 1;
    top = top * 1.08 || 1;
    const frame = { left: 52, right: width - 12, top: 12, bottom: height - 42 };
    const toX = (value) => frame.left + ((value + reach) / (2 * reach)) * (frame.right - frame.left);
    const toY = (value) => frame.bottom - (value / top) * (frame.bottom - frame.top);
    drawAxes(pen, frame, [toX, toY, reach, top], label);
    drawPoints(pen, [toX, toY], lfc.values, tall, called);
    nameGenes(pen, frame, called);
  }

  function drawAxes(pen, frame, [toX, toY, reach, top], label) {
    pen.strokeStyle = "#c3cad4";
    pen.fillStyle = "#4a5565";
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(frame.left, frame.top);
    pen.lineTo(frame.left, frame.bottom);
    pen.lineTo(frame.right, frame.bottom);
    pen.moveTo(toX(0), frame.top);
    pen.lineTo(toX(0), frame.bottom);
    pen.stroke();
    pen.textAlign = "center";
    for (const value of ticks(-reach, reach, 8)) {
      pen.fillText(String(Number(value.toPrecision(6))), toX(value), frame.bottom + 16);
    }
    pen.textAlign = "right";
    for (const value of ticks(0, top, 6)) {
      pen.fillText(String(Number(value.toPrecision(6))), frame.left - 6, toY(value) + 4);
    }
    const clip = (text) => (text.length > 24 ? `${text.slice(0, 23)}…` : text);
    const [first, second] = data.conditions.map(clip);
    pen.textAlign = "center";
    const middle = (frame.left + frame.right) / 2;
    pen.fillText(`mean log fold change, ${first} to ${second}`, middle, frame.bottom + 34);
    pen.save();
    pen.translate(13, (frame.top + frame.bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(label, 0, 0);
    pen.restore();
  }

  function drawPoints(pen, [toX, toY], lfc, tall, called) {
    const colors = ["#b4bac3", "#4575b4", "#d73027"];
    const kinds = [[], [], []];
    plot.x = [];
    plot.y = [];
    plot.rows = [];
    for (let row = 0; row < genes.length; row += 1) {
      if (lfc[row] === null || tall[row] === null) continue;
      const isCalled = called && called.values[row] === 1;
      kinds[isCalled ? (lfc[row] > 0 ? 2 : 1) : 0].push(plot.rows.length);
      plot.x.push(toX(lfc[row]));
      plot.y.push(toY(tall[row]));
      plot.rows.push(row);
    }
    kinds.forEach((members, kind) => {
      pen.fillStyle = colors[kind];
      pen.beginPath();
      for (const point of members) {
        pen.moveTo(plot.x[point] + 2.5, plot.y[point]);
        pen.arc(plot.x[point], plot.y[point], 2.5, 0, 2 * Math.PI);
      }
      pen.fill();
    });
    byId("volcano-text").textContent =
      `Each point is a gene. Red: called, higher in ${data.conditions[1]} (${kinds[2].length}). ` +
      `Blue: called, lower (${kinds[1].length}). Grey: not called (${kinds[0].length}). ` +
      "Genes found by a search are ringed.";
  }

  function nameGenes(pen, frame, called) {
    const places = new Map(plot.rows.map((row, point) => [row, point]));
    const isSearch = state.query.trim() !== "";
    const wanted = isSearch
      ? table.rows().slice(0, 200)
      : plot.rows.filter((row) => called && called.values[row] === 1)
        .sort((a, b) => plot.y[places.get(a)] - plot.y[places.get(b)]).slice(0, 12);
    const taken = [];
    pen.textAlign = "left";
    wanted.forEach((row, number) => {
      const point = places.get(row);
      if (point === undefined) return;
      const [x, y] = [plot.x[point], plot.y[point]];
      if (isSearch) {
        pen.strokeStyle = "#000000";
        pen.beginPath();
        pen.arc(x, y, 5, 0, 2 * Math.PI);
        pen.stroke();
      }
      if (number >= 25) return;
      const name = genes[row].length > 20 ? `${genes[row].slice(0, 19)}…` : genes[row];
      const wide = pen.measureText(name).width;
      for (const [left, base] of [[x + 6, y + 4], [x - wide - 6, y + 4], [x - wide / 2, y - 7]]) {
        const isFree = taken.every(([a, b, c, d]) =>
          left + wide < a || left > c || base < b || base - 12 > d);
        if (isFree && left > frame.left && left + wide < frame.right) {
          taken.push([left, base - 12, left + wide, base]);
          pen.lineWidth = 3;
          pen.strokeStyle = "#ffffff";
          pen.strokeText(name, left, base);
          pen.lineWidth = 1;
          pen.fillStyle = "#1c2430";
          pen.fillText(name, left, base);
          break;
        }
      }
    });
  }

  function nearest(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = 100;
    for (let point = 0; point < plot.rows.length; point += 1) {
      const away = (plot.x[point] - x) ** 2 + (plot.y[point] - y) ** 2;
      if (away < least) [best, least] = [point, away];
    }
    return best;
  }

  canvas.addEventListener("mousemove", (event) => {
    const tip = byId("volcano-tip");
    const point = nearest(event);
    tip.hidden = point < 0;
    canvas.style.cursor = point < 0 ? "default" : "pointer";
    if (point < 0) return;
    const row = plot.rows[point];
    const values = table.columns(state.group).map((one) => `${one.title} ${shown(one, one.values[row])}`);
    tip.textContent = `${genes[row]}: ${values.slice(0, 4).join(", ")}`;
    const isRight = plot.x[point] > canvas.clientWidth / 2;
    tip.style.left = isRight ? "" : `${plot.x[point] + 12}px`;
    tip.style.right = isRight ? `${canvas.clientWidth - plot.x[point] + 12}px` : "";
    tip.style.top = `${plot.y[point] + 8}px`;
  });
  canvas.addEventListener("mouseleave", () => { byId("volcano-tip").hidden = true; });
  canvas.addEventListener("click", (event) => {
    const point = nearest(event);
    if (point < 0) return;
    table.search(genes[plot.rows[point]]);
  });
  window.addEventListener("resize", () => drawVolcano());

  return drawVolcano;
};
