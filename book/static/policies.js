// The policies of clrlib in the browser: clrlib/_schedules.py, formula for formula.
// tests/book/test_widget.py compares rates, lines of Python and refusals with the library.
"use strict";
(() => {
  const one = () => 1;
  /** The formula of a cyclical policy; window is the shape of a cycle, height says how cycles shrink. */
  const cyclical = (window, height = one) => (p, t) => {
    const within = t % (2 * p.step_size);
    const cycle = (t - within) / (2 * p.step_size);
    const rise = (within < p.step_size ? within : 2 * p.step_size - within) / p.step_size;
    return p.base_lr + (p.max_lr - p.base_lr) * window(rise) * height(p, t, cycle);
  };
  const straight = cyclical((rise) => rise);
  const sine = (rise) => Math.sin(Math.PI / 2 * rise) ** 2;

  function expRange(p, t) {
    if (p.decay === "bounds") return straight(p, t) * p.gamma ** t;
    return cyclical((rise) => rise, () => p.gamma ** t)(p, t);
  }

  function upDown(p, t) {
    const length = p.step_size_up + p.step_size_down;
    const within = t % length;
    const rise = within < p.step_size_up ? within / p.step_size_up : (length - within) / p.step_size_down;
    const height = p.shrink ** ((t - within) / length) * p.gamma ** t;
    return p.base_lr + (p.max_lr - p.base_lr) * rise * height;
  }

  function warmRestarts(p, t) {
    let [start, length] = p.growth === 1 ? [t - (t % p.cycle), p.cycle] : [0, p.cycle];
    while (start + length <= t) [start, length] = [start + length, length * p.growth];
    return p.base_lr + (p.max_lr - p.base_lr) * (1 + Math.cos(Math.PI * ((t - start) / length))) / 2;
  }

  function checkTurns(p) {
    const turns = p.back === null ? [p.peak] : [p.peak, p.back];
    if (p.peak >= -1 && p.peak <= Math.max(turns.at(-1), 0) && Math.max(p.peak, 0) <= p.end) return;
    const given = `[${turns.map(clrFloat).join(", ")}]`;
    throw new ClrRefusal(`the turns at ${given} do not lie in order between 0 and the end, ${clrFloat(p.end)}; move them`);
  }

  function oneCycle(p, t) {
    const turns = [[p.peak, p.max_lr], ...(p.back === null ? [] : [[p.back, p.initial_lr]]), [p.end, p.final_lr]];
    const at = Math.min(t, p.end);
    let [t0, a] = [0, p.initial_lr];
    for (const [t1, b] of turns) {
      if (at > t1) { [t0, a] = [t1, b]; continue; }
      if (at === t1) return b;
      const rise = (a < b ? at - t0 : t1 - at) / (t1 - t0);
      return Math.min(a, b) + Math.abs(b - a) * (p.anneal === "linear" ? rise : sine(rise));
    }
  }

  function between(p, t) {
    const k = p.knots.filter(([at]) => at <= t).length;
    const [t0, a] = p.knots[k - 1];
    const [t1, b] = p.knots[Math.min(k, p.knots.length - 1)];
    return t0 < t1 ? a + (b - a) / (t1 - t0) * (t - t0) : a;
  }

  // Each field: its kind, what it begins with, and for a slider its ends and step; for a choice all of them.
  const LR = [0, 0.01, 0.0001];
  const bounds = { base_lr: ["base", "0.001", ...LR], max_lr: ["rate", "0.006", ...LR] };
  const cycles = { ...bounds, step_size: ["count", "2000", 100, 8000, 100] };
  const gamma = (start) => ({ gamma: ["factor", start, 0.999, 1, 0.00001] });
  const POLICIES = {
    Triangular: { fields: cycles, rate: straight },
    Triangular2: { fields: cycles, rate: cyclical((rise) => rise, (p, t, cycle) => 0.5 ** cycle) },
    ExpRange: { fields: { ...cycles, ...gamma("0.9999"), decay: ["choice", "bounds", "amplitude"] }, rate: expRange },
    Welch: { fields: cycles, rate: cyclical((rise) => rise * (2 - rise)) },
    Hann: { fields: cycles, rate: cyclical(sine) },
    UpDown: {
      fields: {
        base_lr: ["rate", "0.001", ...LR], max_lr: ["rate", "0.006", ...LR],
        step_size_up: ["count", "1000", 100, 8000, 100], step_size_down: ["count", "3000", 100, 8000, 100],
        shrink: ["factor", "1.0", 0.05, 1, 0.05], ...gamma("1.0"),
      },
      rate: upDown,
    },
    WarmRestarts: {
      fields: { ...bounds, cycle: ["count", "2000", 100, 16000, 100], growth: ["times", "2", 1, 4, 1] }, rate: warmRestarts,
    },
    OneCycle: {
      fields: {
        initial_lr: ["rate", "0.001", ...LR], max_lr: ["rate", "0.006", ...LR], final_lr: ["rate", "0.0", ...LR],
        peak: ["number", "6000", 0, 16000, 100], end: ["number", "16000", 100, 16000, 100],
        back: ["maybe", "None"], anneal: ["choice", "cos", "linear"],
      },
      check: checkTurns, rate: oneCycle,
    },
    LinearDecay: {
      fields: { max_lr: bounds.max_lr, base_lr: bounds.base_lr, steps: ["count", "4000", 100, 16000, 100] },
      rate: (p, t) => p.base_lr + (p.max_lr - p.base_lr) * ((p.steps - Math.min(t, p.steps)) / p.steps),
    },
    Exponential: { fields: { lr: ["rate", "0.006", ...LR], ...gamma("0.9999") }, rate: (p, t) => p.lr * p.gamma ** t },
    MultiStep: {
      fields: { lr: ["rate", "0.006", ...LR], milestones: ["milestones", "8000, 14000"], gamma: ["factor", "0.1", 0.01, 1, 0.01] },
      rate: (p, t) => p.lr * p.gamma ** p.milestones.filter((at) => at <= t).length,
    },
    PiecewiseLinear: {
      fields: { knots: ["knots", "(0, 0.001), (1000, 0.006), (12000, 0.006), (16000, 0.0)"] }, rate: between,
    },
    Fixed: { fields: { lr: ["rate", "0.004", ...LR] }, rate: (p) => p.lr },
  };

  /** A policy from the texts of its fields: its line of Python, and rate(t). Throws ClrRefusal, as the library raises. */
  function make(name, texts) {
    const { fields, check, rate: formula } = POLICIES[name];
    const p = {};
    for (const [field, [kind]] of Object.entries(fields)) p[field] = clrKinds[kind].value(field, texts[field]);
    if (Object.values(fields).some(([kind]) => kind === "base") && p.base_lr > p.max_lr) {
      const given = `base_lr ${clrFloat(p.base_lr)} is above max_lr ${clrFloat(p.max_lr)}`;
      throw new ClrRefusal(`${given}; give the lower bound as base_lr`);
    }
    check?.(p);
    const given = Object.entries(fields).map(([field, [kind]]) => `${field}=${clrKinds[kind].repr(p[field])}`);
    return { line: `${name}(${given.join(", ")})`, rate: (t) => formula(p, t) };
  }

  globalThis.clrPolicies = { POLICIES, make };
})();
