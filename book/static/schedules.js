// The schedules page: choose a policy, drag its numbers; the curve and the line of Python follow.
"use strict";
(() => {
  const MOST = 100_000; // iterations that are drawn at most; each of them is computed
  const COLUMNS = 600; // of the picture: of each the lowest and the highest rate are drawn

  /** An element with attributes and children; text is a child too. */
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  /** A labelled field: a choice, or text with a slider beside it where the field has a range. */
  function field(name, [kind, first, ...rest], changed) {
    const id = `clr-${name}`;
    const label = make("label", { for: id }, name);
    if (kind === "choice") {
      const input = make("select", { id }, ...[first, ...rest].map((choice) => make("option", {}, choice)));
      input.addEventListener("input", changed);
      return { row: make("div", { class: "clr-field" }, label, input), text: () => input.value };
    }
    const input = make("input", { id, value: first, autocomplete: "off", spellcheck: "false" });
    input.addEventListener("input", changed);
    const row = make("div", { class: "clr-field" }, label, input);
    if (rest.length) row.append(slider(name, input, rest, changed));
    return { row, text: () => input.value };
  }

  function slider(name, input, [min, max, step], changed) {
    const range = make("input", { type: "range", min, max, step, "aria-label": `${name}, slider`, value: input.value });
    const digits = (String(step).split(".")[1] ?? "").length;
    range.addEventListener("input", () => {
      input.value = String(Number(Number(range.value).toFixed(digits)));
      changed();
    });
    input.addEventListener("input", () => {
      const typed = Number(input.value);
      if (typed > Number(range.max)) range.max = String(2 * typed);
      if (typed >= min) range.value = input.value;
    });
    return range;
  }

  /** Round numbers from 0 to top, four to six of them. */
  function ticks(top) {
    const power = 10 ** Math.floor(Math.log10(top / 4));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => top / s <= 5);
    return Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, k) => Number((k * step).toPrecision(6)));
  }

  /** The path of the rates, in a box of 1000 by 1000: of each column its extremes, in their order. */
  function path(rates, top) {
    const width = Math.max(1, Math.ceil(rates.length / COLUMNS));
    const points = [];
    for (let from = 0; from < rates.length; from += width) {
      let [low, high] = [from, from];
      for (let t = from; t < Math.min(from + width, rates.length); t++) {
        if (rates[t] < rates[low]) low = t;
        if (rates[t] > rates[high]) high = t;
      }
      points.push(...(low < high ? [low, high] : high < low ? [high, low] : [low]));
    }
    const last = rates.length - 1;
    if (points.at(-1) !== last) points.push(last);
    const at = (t) => `${((t / (last || 1)) * 1000).toFixed(2)} ${(1000 - (rates[t] / top) * 1000).toFixed(2)}`;
    return `M${points.map(at).join("L")}`;
  }

  /** Labels at their places along an axis; side is the edge that they are measured from. */
  function axis(values, top, side, text) {
    return values.map((value) => make("span", { style: `${side}: ${(value / top) * 100}%` }, text(value)));
  }

  function widget(box) {
    const names = Object.keys(clrPolicies.POLICIES);
    const policy = make("select", { id: "clr-policy" }, ...names.map((name) => make("option", {}, name)));
    const shown = make("input", { id: "clr-shown", value: "16000", autocomplete: "off" });
    const fields = make("div", { class: "clr-fields" });
    const line = make("pre", { class: "clr-line", tabindex: "0" });
    const said = make("p", { class: "clr-said", role: "status" });
    const picture = make("div", { class: "clr-area", role: "img" });
    const [rates, iterations] = [make("div", { class: "clr-y" }), make("div", { class: "clr-x" })];
    picture.innerHTML = '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true"><path/></svg>';
    let made = {};

    function draw() {
      const texts = Object.fromEntries(Object.entries(made).map(([name, { text }]) => [name, text()]));
      try {
        const count = clrKinds.count.value("iterations", shown.value);
        if (count > MOST) throw new ClrRefusal(`iterations is ${count}; this page draws up to ${MOST}`);
        const { line: python, rate } = clrPolicies.make(policy.value, texts);
        show(python, Array.from({ length: count + 1 }, (_, t) => rate(t)));
      } catch (error) {
        if (!(error instanceof ClrRefusal)) throw error;
        box.classList.add("clr-refused");
        said.textContent = error.message;
      }
    }

    function show(python, values) {
      const [low, high] = values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, 0]);
      const [top, last] = [high * 1.05 || 1, values.length - 1];
      box.classList.remove("clr-refused");
      line.textContent = `from clrlib import ${policy.value}\n\npolicy = ${python}`;
      picture.querySelector("path").setAttribute("d", path(values, top));
      picture.setAttribute("aria-label", `The learning rate over ${last} iterations of ${python}.`);
      rates.replaceChildren(...axis(ticks(top), top, "bottom", String));
      iterations.replaceChildren(...axis(ticks(last), last, "left", (t) => t.toLocaleString("en")));
      const digits = (x) => String(Number(x.toPrecision(4)));
      said.textContent = `First rate ${digits(values[0])}, lowest ${digits(low)}, highest ${digits(high)}, ` +
        `after ${last.toLocaleString("en")} iterations ${digits(values[last])}.`;
    }

    function choose() {
      const spec = clrPolicies.POLICIES[policy.value].fields;
      const kept = Object.fromEntries(Object.entries(made).map(([name, { text }]) => [name, text()]));
      made = Object.fromEntries(Object.entries(spec).map(([name, [kind, first, ...rest]]) => {
        const stays = name in kept && kind !== "choice" && name !== "gamma"; // a gamma means another thing elsewhere
        return [name, field(name, [kind, stays ? kept[name] : first, ...rest], draw)];
      }));
      fields.replaceChildren(...Object.values(made).map(({ row }) => row));
      draw();
    }

    policy.addEventListener("input", choose);
    shown.addEventListener("input", draw);
    const labelled = (name, input) => make("div", { class: "clr-field" }, make("label", { for: input.id }, name), input);
    const plot = make("div", { class: "clr-plot" }, make("p", { class: "clr-name" }, "learning rate"), rates, picture, iterations);
    plot.append(make("p", { class: "clr-name clr-below" }, "iteration"));
    box.append(labelled("policy", policy), fields, labelled("iterations drawn", shown), plot, said, line);
    choose();
    globalThis.clrCopy?.(line);
  }

  document.querySelectorAll(".clr-schedules").forEach(widget);
})();
