// Great Expectations' pages call these two; a click opens what is folded.
function shown(is) {
  document.querySelectorAll(".hide-succeeded-validation-target-child").forEach((e) => { e.parentElement.hidden = !is; });
  document.querySelectorAll(".hide-succeeded-validation-target").forEach((e) => { e.hidden = !is; });
  document.querySelectorAll(".hide-succeeded-validations-column-section-target-child").forEach((e) => {
    const section = e.parentElement.parentElement;
    section.hidden = !is;
    document.querySelectorAll(`a[href$="#${section.id}"]`).forEach((a) => { a.hidden = !is; });
  });
}
function showAllValidations() { shown(true); }
function hideSucceededValidations() { shown(false); }
document.addEventListener("click", (event) => {
  const link = event.target.closest('[data-toggle="collapse"]');
  if (!link) return;
  event.preventDefault();
  document.querySelector(link.getAttribute("href"))?.classList.toggle("show");
});
