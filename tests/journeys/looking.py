"""How a page is to be had: nothing runs off to the side, and every control is reached by Tab and seen when it is."""

from playwright.sync_api import Page

# While Tab goes round (backwards: so heads that stay in their place come over what one goes to), each control that has
# the focus is to be on top at its middle and at the middles of its edges.
WALK = """() => {
  const seen = new Set(), covered = []
  let first = null
  const named = (control) => `${control.tagName} ${control.id || control.name || ''} ${control.innerText || ''}`.trim()
  const onTop = (control, x, y) => {
    const top = document.elementFromPoint(x, y)
    return top && (control.contains(top) || [...(control.labels || [])].some((label) => label.contains(top)))
  }
  const shown = (control) => {
    const box = control.getClientRects()[0]
    if (!box) return false
    const left = Math.max(box.left, 0) + 2, right = Math.min(box.right, innerWidth) - 2
    const top = Math.max(box.top, 0) + 2, bottom = Math.min(box.bottom, innerHeight) - 2
    const x = (left + right) / 2, y = (top + bottom) / 2
    return [[x, y], [left, y], [right, y], [x, top], [x, bottom]].every((point) => onTop(control, ...point))
  }
  document.addEventListener('focusin', ({target}) => {
    first = first || target
    window.walk.round ||= seen.size > 1 && target === first
    seen.add(target)
    if (!shown(target)) covered.push(named(target))
  })
  const reached = (control) =>
    seen.has(control) || (control.type === 'radio' && [...seen].some((other) => other.name === control.name))
  const controls = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]'
  window.walk = {
    round: false,
    found: () => [
      ...covered.map((name) => `covered: ${name}`),
      ...[...document.querySelectorAll(controls)]
        .filter((control) => control.checkVisibility() && !control.disabled && !reached(control))
        .map((control) => `not reached: ${named(control)}`),
    ],
  }
}"""
STEPS = 25  # between two looks whether the round is complete
MOST_STEPS = 1000


def fits(page: Page) -> bool:
    """Whether the page, as it is now, needs no scrolling sideways."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    return bool(wide <= window)


def troubles(page: Page) -> list[str]:
    """What is wrong with the page as it is now: too wide, or controls that the keyboard does not bring to light."""
    page.evaluate(WALK)
    for _ in range(0, MOST_STEPS, STEPS):
        for _ in range(STEPS):
            page.keyboard.press("Shift+Tab")
        if page.evaluate("window.walk.round"):
            break
    found: list[str] = page.evaluate("window.walk.found()")
    return found if fits(page) else [f"{page.url} is too wide", *found]
