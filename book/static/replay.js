// A recorded training, played: the dot moves along the schedule, the accuracy grows above it.
// The picture is the book's, whole; this hides what has not been trained yet. Nothing moves until a reader asks.
"use strict";
(() => {
  const SECONDS = 15; // of the whole training
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  function replay(box) {
    const record = JSON.parse(box.querySelector("script").textContent);
    const last = record.iteration.length - 1;
    const [controls, play, slider, said] = ["div", "button", "input", "output"].map((tag) => document.createElement(tag));
    const dots = [...box.querySelectorAll(".clr-area")].map((area) => area.appendChild(document.createElement("span")));
    let [k, playing] = [last, 0];

    function show() {
      const x = (100 * record.iteration[k]) / record.iteration[last];
      box.style.setProperty("--clr-hidden", `${100 - x}%`);
      dots.forEach((dot, i) => {
        const curve = [record.test_accuracy, record.lr][i];
        dot.style.left = `${x}%`;
        dot.style.bottom = `${(100 * curve[k]) / record.tops[i]}%`;
      });
      const rate = Number(record.lr[k].toPrecision(3));
      const text = `iteration ${record.iteration[k].toLocaleString("en")}, rate ${rate}, ` +
        `accuracy ${(100 * record.test_accuracy[k]).toFixed(1)} %`;
      slider.value = String(k);
      slider.setAttribute("aria-valuetext", text);
      said.textContent = text;
    }

    function pause() {
      cancelAnimationFrame(playing);
      playing = 0;
      play.textContent = "Play";
    }

    function start() {
      if (k === last) k = 0;
      const [from, began] = [k, performance.now()];
      play.textContent = "Pause";
      const step = (now) => {
        k = Math.min(last, from + Math.floor((Math.max(0, now - began) / 1000 / SECONDS) * last));
        show();
        if (k === last) pause();
        else playing = requestAnimationFrame(step);
      };
      playing = requestAnimationFrame(step);
    }

    slider.type = "range";
    Object.assign(slider, { min: "0", max: String(last), step: "1" });
    slider.setAttribute("aria-label", "iteration of the training");
    slider.addEventListener("input", () => {
      pause();
      k = Number(slider.value);
      show();
    });
    play.type = "button";
    play.addEventListener("click", () => (playing ? pause() : start()));
    const calm = () => {
      pause();
      play.hidden = still.matches; // the slider remains: that motion is the reader's own
    };
    still.addEventListener("change", calm);
    said.setAttribute("aria-live", "off");
    dots.forEach((dot) => (dot.className = "clr-dot"));
    controls.className = "clr-controls";
    controls.append(play, slider, said);
    box.append(controls);
    calm();
    show();
  }

  document.querySelectorAll(".clr-replay").forEach(replay);
})();
