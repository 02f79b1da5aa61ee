/** Tabs, one of which is shown at a time, following the ARIA pattern. */

import { element } from "./elements.js";

export interface Tab {
  readonly id: string;
  readonly title: string;
}

/** Builds tabs with an empty panel each; `shown` is called with the tab's id and its panel whenever it becomes visible. */
export function tabs(list: HTMLElement, panels: HTMLElement, all: readonly Tab[], shown: (id: string, panel: HTMLElement) => void): void {
  const buttons = all.map(({ id, title }) => {
    const button = element("button", { type: "button", id: `tab-${id}`, textContent: title });
    button.setAttribute("role", "tab");
    button.setAttribute("aria-controls", `panel-${id}`);
    const panel = element("div", { id: `panel-${id}`, className: "surface", hidden: true });
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", button.id);
    panels.append(panel);
    button.addEventListener("click", () => select(button));
    return button;
  });
  list.append(...buttons);
  list.hidden = all.length < 2;
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const now = buttons.findIndex((button) => button === document.activeElement);
    const next = buttons[(now + step + buttons.length) % buttons.length];
    next?.focus();
    if (next) select(next);
  });

  function select(chosen: HTMLButtonElement): void {
    all.forEach(({ id }, i) => {
      const button = buttons[i] as HTMLButtonElement;
      const panel = document.getElementById(`panel-${id}`) as HTMLElement;
      button.setAttribute("aria-selected", String(button === chosen));
      button.tabIndex = button === chosen ? 0 : -1;
      panel.hidden = button !== chosen;
      if (button === chosen) shown(id, panel);
    });
  }

  if (buttons[0]) select(buttons[0]);
}
