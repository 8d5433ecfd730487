"""The page's own style sheet. Colours are variables, so that every rule holds in light and dark.

The names of Gradio's own classes and test ids that appear here are those of Gradio 6.31.
"""

from __future__ import annotations

SANS = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', Cantarell, sans-serif"
SERIF = "'Iowan Old Style', 'Palatino Linotype', Palatino, Charter, Georgia, 'Noto Serif', serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"

CSS = """
:root { --lc-serif: SERIF; --lc-accent: #0f6b63; --lc-good: #0f6b63; --lc-warn: #8a5a00;
  --lc-bad: #a3311f; --lc-warn-bg: #fdf4df; --lc-bad-bg: #fbeae7; --lc-good-bg: #e4f2ef;
  --lc-dash: #b9b2a7; }
.dark { --lc-accent: #4fc3b5; --color-accent: #4fc3b5; --lc-good: #6fd0c4;
  --lc-warn: #e6b450; --lc-bad: #f08a78;
  --lc-warn-bg: #332a15; --lc-bad-bg: #3a1f1a; --lc-good-bg: #17302d; --lc-dash: #5a544b; }
.gradio-container { padding: 0 !important; }
.gradio-container .main.fillable { max-width: 1120px !important;
  padding: 14px 20px 48px !important; }
.html-container { padding: 0 !important; }
footer { display: none !important; }
button:focus-visible, [tabindex]:focus-visible, summary:focus-visible {
  outline: 2px solid var(--lc-accent) !important; outline-offset: 2px; }

.lc-head { display: flex; align-items: center; gap: 8px 18px; padding: 8px 0 2px; }
.lc-brand { flex: 1 1 auto; }
.lc-brand h1 { font: 600 26px/1.1 var(--lc-serif); letter-spacing: -0.01em; margin: 0; }
.lc-brand p { margin: 3px 0 0; color: var(--body-text-color-subdued); font-size: 14px; }
.lc-machine { text-align: right; white-space: nowrap; margin: 0; }
.lc-machine span { display: block; font-size: 12px; line-height: 1.4;
  color: var(--body-text-color-subdued); }
.lc-theme { font-size: 12px; font-weight: 400; white-space: nowrap; padding: 5px 10px;
  border: 1px solid var(--border-color-primary); border-radius: 8px; cursor: pointer;
  background: var(--background-fill-primary); color: var(--body-text-color); }
.lc-theme:hover { background: var(--background-fill-secondary); }

.lc-title { font: 600 22px/1.25 var(--lc-serif); margin: 0 0 4px; overflow-wrap: anywhere; }
.lc-sub { color: var(--body-text-color-subdued); font-size: 13px; margin: 4px 0 0; }
.lc-hero p { font: 400 21px/1.45 var(--lc-serif); max-width: 36em; margin: 14px 0 6px; }
.lc-hero p.lc-sub { font: 400 14px/1.5 SANS; margin: 0 0 4px; max-width: 60em; }
.lc-empty { color: var(--body-text-color-subdued); margin: 6px 0; }
.lc-shelf { font-size: 13px; font-weight: 600; color: var(--body-text-color-subdued);
  margin: 18px 0 8px; }

.lc-cards { list-style: none; margin: 0; padding: 0; display: grid; gap: 10px;
  grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); }
.lc-cards li { margin: 0; display: flex; }
.lc-card { width: 100%; text-align: left; display: flex; flex-direction: column; gap: 4px;
  padding: 14px 16px; border: 1px solid var(--border-color-primary); border-radius: 10px;
  background: var(--background-fill-primary); color: var(--body-text-color);
  cursor: pointer; font-weight: 400;
  transition: border-color 0.12s; min-height: 96px; }
.lc-card:hover, .lc-card[aria-current] { border-color: var(--lc-accent); }
.lc-card[aria-current] { box-shadow: inset 3px 0 0 var(--lc-accent); }
.lc-card-title { font: 600 17px/1.3 var(--lc-serif); overflow-wrap: anywhere;
  display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
.lc-card-line { font-size: 13px; color: var(--body-text-color-subdued); }
.lc-card-foot { margin-top: auto; padding-top: 6px; display: flex; flex-wrap: wrap; gap: 6px;
  align-items: center; font-size: 12px; }

.lc-chip { display: inline-block; padding: 1px 8px; border-radius: 999px; font-size: 12px;
  font-family: SANS; font-weight: 500; line-height: 1.6; vertical-align: middle;
  background: var(--background-fill-secondary);
  color: var(--body-text-color-subdued); }
.lc-chip.good { background: var(--lc-good-bg); color: var(--lc-good); }
.lc-chip.warn { background: var(--lc-warn-bg); color: var(--lc-warn); }
.lc-chip.bad { background: var(--lc-bad-bg); color: var(--lc-bad); }

.lc-bar { display: block; flex: 1; min-width: 80px; height: 6px; border-radius: 3px;
  background: var(--border-color-primary); overflow: hidden; }
.lc-bar span { display: block; height: 100%; background: var(--lc-accent); }
.lc-run .lc-bar { height: 8px; margin: 10px 0 8px; }
.lc-status { margin: 4px 0 8px; }

.lc-facts { margin: 10px 0; display: grid; gap: 4px; }
.lc-facts div { display: grid; grid-template-columns: 110px 1fr; gap: 10px; }
.lc-facts dt { color: var(--body-text-color-subdued); font-size: 14px; }
.lc-facts dd { margin: 0; font-size: 14px; overflow-wrap: anywhere; }
.lc-notice { border-left: 3px solid var(--lc-warn); background: var(--lc-warn-bg);
  padding: 8px 12px; border-radius: 6px; margin: 8px 0; font-size: 14px; }
.lc-notice.bad { border-color: var(--lc-bad); background: var(--lc-bad-bg); }
.lc-notice.quiet { border-color: var(--border-color-primary);
  background: var(--background-fill-secondary); }
.lc-notice p { margin: 2px 0; }
.lc-page { max-height: 320px; overflow: auto; padding: 4px 2px; }
.lc-page p { white-space: pre-wrap; font: 400 15px/1.55 var(--lc-serif); margin: 0; }
.lc-chapters .wrap { max-height: 260px; overflow: auto; flex-direction: column; }

.lc-rows { list-style: none; margin: 0; padding: 0; border-top: 1px solid
  var(--border-color-primary); }
.lc-rows li { margin: 0; }
.lc-row { width: 100%; display: flex; gap: 12px; align-items: center; text-align: left;
  padding: 9px 4px; border-bottom: 1px solid var(--border-color-primary); cursor: pointer;
  font-weight: 400; font-size: 14px; color: var(--body-text-color); background: none;
  border-width: 0 0 1px; border-radius: 0; }
.lc-row:hover .lc-row-title { text-decoration: underline; }
.lc-row-title { flex: 1; overflow-wrap: anywhere; }
.lc-row-line { color: var(--body-text-color-subdued); font-size: 13px; white-space: nowrap; }

.lc-drop { min-height: 112px; border-color: var(--lc-dash) !important; }
.lc-drop > label { position: absolute !important; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
.lc-drop [data-testid="upload-text"] { font-size: 0; gap: 8px; }
.lc-drop [data-testid="upload-text"] .or { display: none; }
.lc-drop [data-testid="upload-icon"] { width: 22px; margin: 0; }
.lc-drop [data-testid="upload-text"]::after { font-size: 16px; white-space: pre-line;
  text-align: center; line-height: 1.4; color: var(--body-text-color);
  content: "Drop a PDF or a book here, or click to choose one"; }
.lc-drop button:hover { background: var(--background-fill-secondary); }
.lc-actions { flex-wrap: wrap; gap: 10px; }
.lc-actions button { flex: 0 1 auto; min-width: 120px !important; }

.lc-split, .lc-home { gap: 28px; }
.lc-intake { align-items: center; gap: 14px; }
.lc-confirm { border: 1px solid var(--lc-bad); border-radius: 10px; padding: 10px 14px; }

#curve svg text { fill: var(--body-text-color-subdued) !important; }
#curve svg .role-axis-grid line, #curve svg .background { stroke: var(--border-color-primary)
  !important; }
#curve svg .mark-line path { stroke: var(--lc-accent) !important; }
#chatbot button[aria-label="Clear"] { display: none; }
#chatbot .message { font-size: 15px; line-height: 1.55; color: var(--body-text-color); }
.lc-who { font-size: 13px; font-weight: 600; margin: 0; }
#chatbot .thought, #chatbot .thought .prose { font-size: 12.5px; font-style: normal;
  color: var(--body-text-color-subdued); }
#chatbot .thought em { font-style: normal; }
#chatbot .bot.message { background: transparent; border-color: transparent; box-shadow: none;
  padding-left: 0; }
#chatbot .placeholder, #chatbot .placeholder-content { padding: 0 14px; text-align: center; }
input[type="radio"]:checked, input[type="checkbox"]:checked { background-color:
  var(--checkbox-background-color-selected) !important; }
input[role="combobox"] { text-overflow: ellipsis; padding-right: 26px !important; }
.submit-button, .stop-button { background: var(--button-primary-background-fill) !important;
  color: var(--button-primary-text-color) !important; border-radius: 8px !important; }

@media (max-width: 640px) {
  .gradio-container .main.fillable { padding: 6px 12px 40px !important; }
  .lc-head { flex-wrap: wrap; }
  .lc-brand { flex-basis: 100%; }
  .lc-machine { text-align: left; flex: 1; }
  .lc-machine span { display: inline; margin-right: 12px; }
  .lc-hero p { font-size: 18px; }
  .lc-facts div { grid-template-columns: 92px 1fr; }
  .lc-intake { flex-wrap: wrap; }
  .lc-intake > * { flex-basis: 100% !important; }
}
""".replace("SERIF", SERIF).replace("SANS", SANS)
