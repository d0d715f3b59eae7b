// The table of claims: rows are searched by words and sorted by a column. Without this it is a plain table.
"use strict";
(() => {
  /** The first number in a cell, or NaN. */
  const number = (text) => Number.parseFloat(text.replace(/,(?=\d{3})/g, "").replace("+", ""));

  function compare(a, b) {
    const [x, y] = [number(a), number(b)];
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y) || a.localeCompare(b, "en");
    return x - y || a.localeCompare(b, "en");
  }

  function table(box) {
    const body = box.querySelector("tbody");
    const rows = [...body.rows];
    const heads = [...box.querySelectorAll("thead th")];
    const [label, search, said] = ["label", "input", "p"].map((tag) => document.createElement(tag));

    function filter() {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      said.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
    }

    function sort(head) {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[head.cellIndex].textContent.trim();
      rows.sort((a, b) => {
        const empty = (text(a) === "") - (text(b) === ""); // empty cells are last, whichever way
        return empty || (down ? compare(text(b), text(a)) : compare(text(a), text(b)));
      });
      body.append(...rows);
    }

    for (const head of heads) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(head));
      head.append(button);
    }
    label.append("Search the claims ", search);
    Object.assign(search, { type: "search", autocomplete: "off" });
    search.addEventListener("input", filter);
    said.setAttribute("role", "status");
    box.prepend(label, said);
    filter();
  }

  document.querySelectorAll(".clr-claims").forEach(table);
})();
