// What the theme makes while a page loads gets a name, and the Tab key reaches what scrolls.
document$.subscribe(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search")
  document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap").forEach((part) => { part.tabIndex = 0 })
  document.querySelectorAll(".md-code__nav").forEach((bar, i) => bar.setAttribute("aria-label", `Code ${i + 1}`))
})
