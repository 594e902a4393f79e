// Filters and order of the findings, and what a cell of a map says.
(function () {
  "use strict";
  var STEP = 40;
  document.querySelectorAll(".scripted").forEach(function (part) { part.hidden = false; });
  var language = document.documentElement.dataset.language;
  var form = document.querySelector(".filters");
  if (form) {
    var body = document.querySelector("table.findings tbody");
    var rows = Array.prototype.slice.call(body.rows);
    var limit = STEP;
    var shown = document.getElementById("shown");
    var more = document.getElementById("more");
    rows.forEach(function (row, place) { row.dataset.first = place; });
    var order = function (key) {
      var collator = new Intl.Collator(language === "zh" ? "zh-Hans" : "en", { numeric: true });
      var name = function (row) {
        if (key === "place") {
          var strong = row.cells[1].querySelector("[lang^=" + language + "]");
          return strong ? strong.textContent : "";
        }
        return row.dataset[key];
      };
      var sorted = rows.slice();
      if (key) {
        sorted.sort(function (a, b) {
          return collator.compare(name(a), name(b)) || a.dataset.first - b.dataset.first;
        });
      }
      sorted.forEach(function (row) { body.appendChild(row); });
    };
    var filter = function () {
      var wanted = {};
      new FormData(form).forEach(function (value, name) { wanted[name] = value; });
      var text = (wanted.text || "").trim().toLowerCase();
      var fits = 0;
      Array.prototype.forEach.call(body.rows, function (row) {
        var fit = ["severity", "status", "rule", "place", "variable"].every(function (name) {
          return !wanted[name] || row.dataset[name] === wanted[name];
        }) && (!wanted.touches || (";" + row.dataset.touches + ";").indexOf(";" + wanted.touches + ";") >= 0)
          && (!text || row.dataset.text.indexOf(text) >= 0);
        if (fit) { fits += 1; }
        row.hidden = !fit || fits > limit;
      });
      var now = Math.min(fits, limit);
      shown.textContent = language === "zh"
        ? "显示 " + now + " 项，符合条件 " + fits + " 项，共 " + rows.length + " 项。"
        : "Showing " + now + " of " + fits + " that fit, of " + rows.length + " findings.";
      document.getElementById("reset").hidden = fits === rows.length;
      more.parentNode.hidden = fits <= limit;
      more.textContent = language === "zh" ? "再显示 " + Math.min(STEP * 5, fits - limit) + " 项"
        : "Show " + Math.min(STEP * 5, fits - limit) + " more";
    };
    form.addEventListener("input", function (event) {
      limit = STEP;
      if (event.target.name === "order") { order(event.target.value); }
      filter();
    });
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    more.addEventListener("click", function () { limit += STEP * 5; filter(); });
    document.getElementById("reset").addEventListener("click", function () {
      form.reset(); limit = STEP; order(""); filter();
    });
    document.querySelectorAll("[data-filter]").forEach(function (button) {
      button.addEventListener("click", function () {
        form.reset();
        form.elements[button.dataset.filter].value = button.dataset.value;
        limit = STEP; order(""); filter();
        document.getElementById("findings").scrollIntoView();
      });
    });
    filter();
    document.addEventListener("language", function (event) {
      language = event.detail; order(form.elements.order.value); filter();
    });
  }
  document.addEventListener("language", function (event) { language = event.detail; });

  var maps = window.maps;
  var tip = document.createElement("div");
  tip.className = "tip"; tip.hidden = true; tip.setAttribute("aria-hidden", "true");
  document.body.appendChild(tip);
  document.querySelectorAll(".variables .map svg").forEach(function (svg) {
    var variable = svg.closest("details").dataset.variable;
    svg.addEventListener("pointermove", function (event) {
      var box = svg.viewBox.baseVal;
      var place = svg.getBoundingClientRect();
      var x = (event.clientX - place.left) * box.width / place.width;
      var y = (event.clientY - place.top) * box.height / place.height;
      var n = maps.years.length;
      var column = Math.floor((x - maps.left) / maps.width);
      var row = Math.floor((y - maps.head) / maps.height);
      var city = row + (svg.dataset.half === "1" ? maps.half : 0);
      if (column < 0 || column >= n || row < 0 || !maps.cities[city]) { tip.hidden = true; return; }
      var side = language === "zh" ? 1 : 0;
      var origin = maps.origins[maps.codes[maps.cells[variable].charAt(city * n + column)]];
      tip.textContent = maps.cities[city][side] + " " + maps.years[column] + (side ? "：" : ": ") + origin[side];
      tip.hidden = false;
      tip.style.left = Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8) + "px";
      tip.style.top = (event.clientY + 14) + "px";
    });
    svg.addEventListener("pointerleave", function () { tip.hidden = true; });
  });
})();
