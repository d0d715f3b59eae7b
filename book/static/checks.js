// What the fields of a policy may hold: clrlib/_checks.py in the browser, sentence for sentence.
// Everything arrives as typed, as text. tests/book/test_widget.py compares all of it with the library.
"use strict";
(() => {
  class Refusal extends Error {}
  const refuse = (sentence) => { throw new Refusal(sentence); };

  /** A float as Python prints it: 0.0001, 1e-05, 2000.0. */
  function float(x) {
    if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x < 0 ? "-inf" : "inf";
    const [mantissa, power] = x.toExponential().split("e");
    const exponent = Number(power);
    if (x !== 0 && (exponent < -4 || exponent >= 16)) {
      return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
    }
    const digits = mantissa.replace("-", "").replace(".", "");
    const sign = x < 0 || Object.is(x, -0) ? "-" : "";
    if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
    const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
    return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
  }

  /** What was typed, as a Python literal: its value (NaN where it is no number) and how Python prints it. */
  function read(text) {
    const typed = text.trim();
    const plain = typed.replace(/(\d)_(?=\d)/g, "$1");
    if (/^[+-]?\d+$/.test(plain)) return { value: Number(plain), repr: String(BigInt(plain)), number: true };
    if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) {
      return { value: Number(plain), repr: float(Number(plain)), number: true };
    }
    if (/^[+-]?(inf|nan)$/i.test(plain)) {
      const value = /nan/i.test(plain) ? NaN : plain.startsWith("-") ? -Infinity : Infinity;
      return { value, repr: float(value), number: true };
    }
    return { value: NaN, repr: `'${typed}'`, number: false };
  }

  function number(name, got, fits = () => true, advice = "") {
    if (!got.number) refuse(`${name} must be a number, not ${got.repr}; give it as a float`);
    if (!Number.isFinite(got.value)) refuse(`${name} is ${got.repr}; give a finite number`);
    if (!fits(got.value)) refuse(`${name} is ${got.repr}; ${advice}`);
    return got.value;
  }
  const rate = (name, got) => number(name, got, (x) => x >= 0, "a learning rate must be 0 or more");
  const factor = (name, got) => number(name, got, (x) => x > 0 && x <= 1, "give a factor above 0 and up to 1");
  const whole = (least) => (name, got) =>
    number(name, got, (x) => Number.isInteger(x) && x >= least && x < 2 ** 53, `give a whole number, ${least} or more`);
  const count = whole(1);
  const tuple = (items) => `(${items.join(", ")}${items.length === 1 ? "," : ""})`;

  /** Iterations in rising order. */
  function rising(name, items, least) {
    const clean = items.map((item, i) => whole(least)(`${name}[${i}]`, item));
    if (clean.some((t, i) => i && t <= clean[i - 1])) {
      refuse(`${name} ${tuple(clean)} do not rise; give each iteration once, in rising order`);
    }
    return clean;
  }
  const words = (text) => text.split(/[\s,()]+/).filter(Boolean).map(read);

  function knots(name, text) {
    const found = words(text);
    if (found.length % 2) {
      refuse(`${name} is '${text.trim()}'; give pairs (iteration, rate), such as ((0, 0.001), (100, 0.005))`);
    }
    const pairs = found.flatMap((item, i) => (i % 2 ? [] : [[item, found[i + 1]]]));
    const times = rising(`iterations of ${name}`, pairs.map(([t]) => t), 0);
    if (times[0] !== 0) {
      const given = tuple(pairs.map(([t, lr]) => tuple([t.repr, lr.repr])));
      refuse(`${name} ${given} must begin at iteration 0; give the first rate there`);
    }
    return pairs.map(([, lr], i) => [times[i], rate(`rate of ${name}[${i}]`, lr)]);
  }

  // A kind of field: how its text becomes a value, and how Python prints that value.
  const simple = (check, repr) => ({ value: (name, text) => check(name, read(text)), repr });
  globalThis.clrKinds = {
    rate: simple(rate, float),
    base: simple(rate, float), // not above max_lr
    factor: simple(factor, float),
    count: simple(count, String),
    times: simple(whole(1, ""), String),
    number: simple(number, float),
    maybe: {
      value: (name, text) => (["", "None"].includes(text.trim()) ? null : number(name, read(text))),
      repr: (value) => (value === null ? "None" : float(value)),
    },
    milestones: { value: (name, text) => rising(name, words(text), 1), repr: (ts) => tuple(ts.map(String)) },
    knots: { value: knots, repr: (pairs) => tuple(pairs.map(([t, lr]) => tuple([t, float(lr)]))) },
    choice: { value: (name, text) => text, repr: (value) => `'${value}'` },
  };

  Object.assign(globalThis, { ClrRefusal: Refusal, clrFloat: float });
})();
