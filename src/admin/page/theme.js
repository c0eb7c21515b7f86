// Light, dark, or as the system says: applied before the first paint.
(() => {
  const theme = localStorage.getItem("levity-theme");
  if (theme) document.documentElement.dataset.theme = theme;
})();
