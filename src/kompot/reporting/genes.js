"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const source = byId("gene-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  source.remove();
  const genes = data.genes;
  const lowered = genes.map((gene) => gene.toLowerCase());
  const groups = [...new Set(data.columns.map((column) => column.group))];
  if (!groups.includes(null)) groups.unshift(null);
  const PAGE = 25;
  const state = { group: null, query: "", calledOnly: false, sort: null, down: true, page: 0 };
  let rows = [];

  const columnsOf = (group) => data.columns.filter((column) => column.group === group);
  const find = (group, key) =>
    data.columns.find((column) => column.group === group && column.key === key);

  // ------------------------------------------------------------------ table
  function shown(column, value) {
    if (value === null) return "–";
    if (column.kind === "text") return value;
    if (column.kind === "flag") return value ? "yes" : "no";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
    return String(Number(value.toPrecision(4)));
  }

  function matching() {
    const words = state.query.toLowerCase().split(/[\s,;]+/).filter(Boolean);
    const called = state.calledOnly ? find(state.group, "is_de") : null;
    const found = [];
    for (let row = 0; row < genes.length; row += 1) {
      if (called && called.values[row] !== 1) continue;
      if (words.length && !words.some((word) => lowered[row].includes(word))) continue;
      found.push(row);
    }
    return found;
  }

  const { compare } = new Intl.Collator("en", { numeric: true });

  function sorted(found) {
    if (state.sort === null) return found;
    const sign = state.down ? -1 : 1;
    if (state.sort === "gene") {
      return found.sort((a, b) => sign * compare(genes[a], genes[b]) || a - b);
    }
    const column = find(state.group, state.sort);
    if (!column) return found;
    const values = column.values;
    return found.sort((a, b) => {
      if (values[a] === null || values[b] === null) {
        return (values[a] === null) - (values[b] === null) || a - b;
      }
      const order = column.kind === "text" ? compare(values[a], values[b]) : values[a] - values[b];
      return sign * order || a - b;
    });
  }

  function headCell(key, title) {
    const cell = document.createElement("th");
    cell.scope = "col";
    const button = document.createElement("button");
    button.type = "button";
    const isSorted = state.sort === key;
    cell.setAttribute("aria-sort", isSorted ? (state.down ? "descending" : "ascending") : "none");
    button.textContent = title + (isSorted ? (state.down ? " ▼" : " ▲") : "");
    button.dataset.key = key;
    button.addEventListener("click", () => {
      // Names and rates are wanted from the smallest, everything else from the largest.
      const isRate = /fdr|pvalue|ptp|gene|region/.test(key);
      state.down = isSorted ? !state.down : !isRate;
      state.sort = key;
      update();
      const again = byId("gene-table").querySelector(`button[data-key="${CSS.escape(key)}"]`);
      if (again) again.focus();
    });
    cell.append(button);
    return cell;
  }

  function showTable() {
    const table = byId("gene-table");
    const columns = columnsOf(state.group);
    const head = document.createElement("tr");
    head.append(headCell("gene", "gene"), ...columns.map((one) => headCell(one.key, one.title)));
    table.tHead.replaceChildren(head);
    const lines = document.createDocumentFragment();
    for (const row of rows.slice(state.page * PAGE, (state.page + 1) * PAGE)) {
      const line = document.createElement("tr");
      const name = document.createElement("th");
      name.scope = "row";
      name.textContent = genes[row];
      line.append(name);
      for (const column of columns) {
        const cell = document.createElement("td");
        cell.textContent = shown(column, column.values[row]);
        line.append(cell);
      }
      lines.append(line);
    }
    table.tBodies[0].replaceChildren(lines);
    const about = state.group === null ? "all cells" : state.group;
    table.caption.textContent = `Genes, results of ${about}`;
    const first = rows.length ? state.page * PAGE + 1 : 0;
    const last = Math.min((state.page + 1) * PAGE, rows.length);
    byId("gene-count").textContent =
      `${first}–${last} of ${rows.length} genes` +
      (rows.length < genes.length ? ` (${genes.length} in all)` : "");
    byId("gene-previous").disabled = state.page === 0;
    byId("gene-next").disabled = last >= rows.length;
  }

  function update({ keepPage = false } = {}) {
    if (!keepPage) state.page = 0;
    rows = sorted(matching());
    showTable();
    drawVolcano();
  }

  // -------------------------------------------------------------------- CSV
  function csvText(text) {
    // Spreadsheets take texts that begin so for formulas.
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  function csvValue(column, value) {
    if (value === null) return "";
    if (column.kind === "flag") return value ? "True" : "False";
    return column.kind === "text" ? csvText(value) : String(value);
  }

  function download() {
    const name = (one) => (one.group === null ? one.title : `${one.group}: ${one.title}`);
    const lines = [["gene", ...data.columns.map(name)].map(csvText).join(",")];
    for (const row of rows) {
      const values = data.columns.map((column) => csvValue(column, column.values[row]));
      lines.push([csvText(genes[row]), ...values].join(","));
    }
    const blob = new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = "genes.csv";
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // --------------------------------------------------------------- controls
  const drawVolcano = makeVolcano(data, {
    columns: columnsOf,
    find,
    shown,
    state,
    rows: () => rows,
    search: (text) => {
      byId("gene-search").value = text;
      state.query = text;
      update();
    },
  });
  const choice = byId("gene-group");
  groups.forEach((group, number) => {
    const option = document.createElement("option");
    option.value = String(number);
    option.textContent = group === null ? "all cells" : group;
    choice.append(option);
  });
  choice.parentElement.hidden = groups.length < 2;
  choice.addEventListener("change", () => {
    state.group = groups[Number(choice.value)];
    state.sort = state.group === null ? null : "mahalanobis";
    state.down = true;
    byId("gene-called").parentElement.hidden = !find(state.group, "is_de");
    update();
  });
  byId("gene-called").parentElement.hidden = !find(null, "is_de");
  byId("gene-search").addEventListener("input", (event) => {
    state.query = event.target.value;
    update();
  });
  byId("gene-called").addEventListener("change", (event) => {
    state.calledOnly = event.target.checked;
    update();
  });
  byId("gene-download").addEventListener("click", download);
  for (const [id, step] of [["gene-previous", -1], ["gene-next", 1]]) {
    byId(id).addEventListener("click", () => {
      state.page += step;
      update({ keepPage: true });
    });
  }
  byId("gene-controls").hidden = false;
  byId("gene-pager").hidden = false;
  update();
})();
