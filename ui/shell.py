"""What the tabs share: where the page is, which document and which run it is about.

Only ids are kept in the page's session; the truth behind them is asked from the service on every
event, so a reloaded page or a second window shows the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

LIBRARY, ABSORB, CHAT = "library", "absorb", "chat"
TABS = (LIBRARY, ABSORB, CHAT)

BUSY_SECONDS, IDLE_SECONDS = 1.5, 5.0
"""How often the page asks for news while something runs, and while nothing does."""

REMEMBER_TAB = "() => {{ history.replaceState(null, '', '#{tab}'); }}"
READ_TAB = "() => [location.hash.slice(1)]"
TOGGLE_THEME = """
element.addEventListener('click', (event) => {
  if (!event.target.closest('.lc-theme')) return;
  const dark = document.body.classList.toggle('dark');
  document.documentElement.classList.toggle('dark', dark);
  localStorage.setItem('lift-chat-theme', dark ? 'dark' : 'light');
});
"""
APPLY_THEME = """<script>
(() => {
  const chosen = localStorage.getItem('lift-chat-theme');
  if (!chosen) return;
  const url = new URL(location.href);
  if (url.searchParams.get('__theme') === chosen) return;
  url.searchParams.set('__theme', chosen);
  history.replaceState(null, '', url);
})();
</script>"""


@dataclass(frozen=True)
class Shell:
    """Components that more than one tab reads or changes."""

    tabs: gr.Tabs
    place: gr.Textbox
    document_id: gr.State
    job_id: gr.State
    timer: gr.Timer


def timer(*, busy: bool) -> gr.Timer:
    return gr.Timer(BUSY_SECONDS if busy else IDLE_SECONDS)
