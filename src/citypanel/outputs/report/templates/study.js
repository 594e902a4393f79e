// Picks an estimator, shows what a mark says, draws the line of a city.
(function () {
  "use strict";
  var root = document.documentElement;
  var side = function () { return root.dataset.language === "zh" ? 1 : 0; };
  document.querySelectorAll(".scripted").forEach(function (part) { part.hidden = false; });

  var estimator = document.getElementById("pick-estimator");
  var outcome = document.getElementById("pick-outcome");
  var parts = Array.prototype.slice.call(document.querySelectorAll(".event"));
  function pick() {
    var kind = outcome ? outcome.value : parts[0].dataset.outcome;
    parts.forEach(function (part) {
      part.hidden = part.dataset.estimator !== estimator.value || part.dataset.outcome !== kind;
    });
  }
  if (estimator) {
    estimator.addEventListener("change", pick);
    if (outcome) { outcome.addEventListener("change", pick); }
    pick();
  }

  var tip = document.createElement("div");
  tip.className = "tip"; tip.hidden = true; tip.setAttribute("aria-hidden", "true");
  document.body.appendChild(tip);
  function tell(event) {
    var near = event.target.closest && event.target.closest(".mark[data-en]");
    if (!near && event.target.closest) {
      // A strip holds one mark: anywhere on it will do.
      var strip = event.target.closest("svg.strip, .forest .line");
      near = strip && strip.querySelector(".mark[data-en]");
    }
    if (!near) { tip.hidden = true; return; }
    tip.textContent = near.getAttribute(side() ? "data-zh" : "data-en");
    tip.hidden = false;
    tip.style.left = Math.max(4, Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 4) + "px";
  }
  document.addEventListener("pointermove", tell);
  document.addEventListener("pointerdown", tell);
  document.addEventListener("scroll", function () { tip.hidden = true; }, { passive: true });

  var study = window.study;
  var group = document.getElementById("city-line");
  var chosen = null;
  var tiles = Array.prototype.slice.call(document.querySelectorAll(".tile"));
  function show(id) {
    var city = study.cities[id];
    if (!city) { return; }
    chosen = id;
    document.getElementById("city-name").textContent = city.name[side()] + (side() ? "：" : ": ");
    document.getElementById("city-text").textContent = city.text[side()];
    tiles.forEach(function (tile) { tile.setAttribute("aria-pressed", String(tile.dataset.city === id)); });
    if (!group) { return; }
    while (group.firstChild) { group.removeChild(group.firstChild); }
    var s = study.scale, points = city.path;
    for (var i = 1; i < points.length; i += 1) {
      var line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      line.setAttribute("class", "series chosen");
      [0, 1].forEach(function (end) {
        var point = points[i - 1 + end];
        line.setAttribute("x" + (end + 1), (s[0] + s[1] * point[0]) + "%");
        line.setAttribute("y" + (end + 1), (s[2] + s[3] * Math.log(point[1])) + "%");
      });
      group.appendChild(line);
    }
  }
  tiles.forEach(function (tile) {
    ["pointerenter", "focus", "click"].forEach(function (kind) {
      tile.addEventListener(kind, function () { show(tile.dataset.city); });
    });
  });
  var first = tiles.filter(function (tile) { return tile.classList.contains("treated"); })[0] || tiles[0];
  if (first) { show(first.dataset.city); }
  document.addEventListener("language", function () { if (chosen) { show(chosen); } });
})();
