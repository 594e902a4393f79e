// Shows one language and remembers which. Without it the page is in English.
(function () {
  "use strict";
  var root = document.documentElement;
  var key = "citypanel-language";
  function remembered() {
    try { return window.localStorage.getItem(key); } catch (error) { return null; }
  }
  function show(language) {
    root.dataset.language = language;
    root.lang = language === "zh" ? "zh-Hans" : "en";
    document.title = document.body.dataset[language === "zh" ? "titleZh" : "titleEn"];
    document.querySelectorAll("option[data-en]").forEach(function (option) {
      option.textContent = option.dataset[language];
    });
    document.querySelectorAll("[data-alt-en]").forEach(function (element) {
      element.alt = element.dataset[language === "zh" ? "altZh" : "altEn"];
    });
    document.querySelectorAll("[data-label-en]").forEach(function (element) {
      element.setAttribute("aria-label", element.dataset[language === "zh" ? "labelZh" : "labelEn"]);
    });
    document.querySelectorAll("[data-choose]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button.dataset.choose === language));
    });
    document.dispatchEvent(new CustomEvent("language", { detail: language }));
  }
  document.querySelector(".languages").hidden = false;
  document.querySelectorAll("[data-choose]").forEach(function (button) {
    button.addEventListener("click", function () {
      show(button.dataset.choose);
      try { window.localStorage.setItem(key, button.dataset.choose); } catch (error) { /* private window */ }
    });
  });
  var asked = /[?&]language=(en|zh)\b/.exec(window.location.search + window.location.hash.replace("#", "&"));
  var first = (asked && asked[1]) || remembered()
    || (/^zh\b/i.test(navigator.language || "") ? "zh" : "en");
  show(first === "zh" ? "zh" : "en");
})();
