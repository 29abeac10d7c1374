// On paper every disaster is unfolded; raw outputs and digests stay in their files.
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll(".disaster:not([open])")) {
    fold.open = true;
    fold.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const fold of document.querySelectorAll("details[data-folded]")) {
    fold.open = false;
    delete fold.dataset.folded;
  }
});
const unfold = () => {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target && target.matches("details")) target.open = true;
};
addEventListener("hashchange", unfold);
unfold();
