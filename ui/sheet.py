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
.lc-tint.much { background: #f7c98b; } .lc-tint.some { background: #fbe7c6; }
.lc-tint.less { background: #d3e3f5; }
.dark .lc-tint.much { background: #7a4a10; } .dark .lc-tint.some { background: #46341a; }
.dark .lc-tint.less { background: #22405f; }
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

.lc-item .lc-row-title { font-weight: 600; }
.lc-row[aria-current] { box-shadow: inset 3px 0 0 var(--lc-accent); padding-left: 10px; }
.lc-place { display: block; font-weight: 400; font-size: 12px;
  color: var(--body-text-color-subdued); }
.lc-answer { display: block; font-weight: 400; }
.lc-edit { border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 10px 14px; }

.lc-told { font-size: 15px; margin: 0; padding: 4px 0; }
.gradio-container .lc-table { width: 100%; border-collapse: collapse; font-size: 13px;
  margin: 6px 0; }
.gradio-container .lc-table, .gradio-container .lc-table :is(thead, tbody, tr) {
  border: 0 !important; }
.gradio-container .lc-table :is(th, td) { text-align: left; vertical-align: top; border: 0;
  padding: 6px 12px 6px 0; border-bottom: 1px solid var(--border-color-primary);
  overflow-wrap: anywhere; }
.gradio-container .lc-table thead th { color: var(--body-text-color-subdued); font-weight: 500; }
.gradio-container .lc-table tbody th { font-weight: 600; }
.lc-table td { font-variant-numeric: tabular-nums; }
.gradio-container .lc-answers thead { position: absolute; width: 1px; height: 1px;
  overflow: hidden; clip-path: inset(50%); }
.gradio-container .lc-answers :is(tr, th, td) { display: block; border: 0; padding: 1px 0; }
.gradio-container .lc-answers tr { padding: 8px 0; }
.gradio-container .lc-answers tr:not(:last-child) { box-shadow: 0 1px
  var(--border-color-primary); }
.gradio-container .lc-answers td { display: grid; grid-template-columns: 76px 1fr; gap: 10px; }
.lc-answers td::before { content: attr(data-name); color: var(--body-text-color-subdued); }
.lc-more { border-top: 1px solid var(--border-color-primary); margin-top: 10px; }
.lc-more summary { cursor: pointer; font-size: 13px; font-weight: 600; padding: 8px 0; }
.lc-scroll { max-height: 260px; overflow: auto; }

.lc-map svg { display: block; width: 100%; height: 92px; border-bottom: 1px solid
  var(--border-color-primary); }
.lc-map rect.before { fill: var(--lc-dash); opacity: 0.8; }
.lc-map rect.after { fill: var(--lc-accent); }
.lc-map rect.worse { fill: var(--lc-warn); opacity: 0.75; }
.lc-axis { display: flex; justify-content: space-between; gap: 12px; font-size: 12px;
  white-space: nowrap; color: var(--body-text-color-subdued); margin-top: 3px; }
.lc-legend { font-size: 12px; color: var(--body-text-color-subdued); margin: 8px 0 6px; }
.lc-legend span { margin-right: 14px; }
.lc-legend span::before { content: ""; display: inline-block; width: 10px; height: 10px;
  border-radius: 2px; margin-right: 5px; background: var(--lc-accent); }
.lc-legend .before::before { background: var(--lc-dash); opacity: 0.8; }
.lc-gates .lc-grid { display: grid; grid-template-columns: auto 1fr; gap: 6px; }
.lc-gates .lc-grid > .lc-axis { flex-direction: column; margin: 0 0 20px; }
.lc-gates svg { display: block; width: 100%; }
.lc-gates rect.ground { fill: var(--border-color-primary); opacity: 0.6; }
.lc-gates rect.open { fill: var(--lc-accent); }
.lc-gates .lc-table :is(th, td) { white-space: nowrap; }
.lc-scale { display: flex; align-items: center; gap: 8px; font-size: 12px; margin: 8px 0 6px;
  color: var(--body-text-color-subdued); }
.lc-scale i { width: 90px; height: 10px; border-radius: 2px; background: linear-gradient(to right,
  var(--border-color-primary), var(--lc-accent)); }
.lc-strip { display: flex; gap: 2px; height: 8px; margin-top: 6px; }
.lc-strip i { flex: 1; max-width: 14px; border-radius: 1px; background: var(--lc-accent); }

.lc-pinned ul { list-style: none; margin: 10px 0 0; padding: 0; display: grid; gap: 14px 24px;
  grid-template-columns: repeat(auto-fit, minmax(min(260px, 100%), 1fr)); }
.lc-pinned li { margin: 0; border-top: 1px solid var(--border-color-primary); padding-top: 10px; }
.lc-asked { font: 600 16px/1.35 var(--lc-serif); margin: 0; padding-bottom: 6px;
  overflow-wrap: anywhere; }
.lc-pinned dl { margin: 0; display: grid; gap: 3px; font-size: 14px; }
.lc-pinned dl div { display: grid; grid-template-columns: 76px 1fr; gap: 10px; }
.lc-pinned dt { color: var(--body-text-color-subdued); font-size: 13px; line-height: 1.6; }
.lc-pinned dd { margin: 0; overflow-wrap: anywhere; }
.lc-pinned .wait dd { color: var(--body-text-color-subdued); }
.lc-pinned .gold dd { color: var(--lc-good); }
.lc-pinned .now dd { font-weight: 600; }

.lc-drop { min-height: 112px; border-color: var(--lc-dash) !important; }
.lc-drop > label { position: absolute !important; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%); }
.lc-drop [data-testid="upload-text"] { font-size: 0; gap: 8px; }
.lc-drop [data-testid="upload-text"] .or { display: none; }
.lc-drop [data-testid="upload-icon"] { width: 22px; margin: 0; }
.lc-drop [data-testid="upload-text"]::after { font-size: 16px; white-space: pre-line;
  text-align: center; line-height: 1.4; color: var(--body-text-color);
  content: "Drop a PDF or a book here, or click to choose one"; }
#arrival-file [data-testid="upload-text"]::after {
  content: "Drop an exported adapter here, or click to choose one"; }
.lc-drop button:hover { background: var(--background-fill-secondary); }
.lc-actions { flex-wrap: wrap; gap: 10px; }
.lc-actions button { flex: 0 1 auto; min-width: 120px !important; }

.lc-split, .lc-home { gap: 28px; }
.lc-intake { align-items: center; gap: 14px; }
.lc-confirm { border: 1px solid var(--lc-bad); border-radius: 10px; padding: 10px 14px; }

.lc-curves svg text { fill: var(--body-text-color-subdued) !important; }
.lc-curves svg .role-axis-grid line, .lc-curves svg .background { stroke:
  var(--border-color-primary) !important; }
.lc-curves svg .mark-line path { stroke: var(--lc-accent) !important; }
#chatbot button[aria-label="Clear"] { display: none; }
#chatbot .message { font-size: 15px; line-height: 1.55; color: var(--body-text-color); }
.lc-tint { border-radius: 3px; padding: 1px 0; color: var(--body-text-color); }
.lc-tinted { border: 1px solid var(--border-color-primary); border-radius: 10px;
  padding: 12px 14px; }
.lc-tinted-text { white-space: pre-wrap; overflow-wrap: anywhere; font: 400 16px/1.8
  var(--lc-serif); margin: 0 0 8px; }
.lc-tint-legend { list-style: none; margin: 8px 0 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: 4px 14px; font-size: 12.5px; }
.lc-tint-legend li { margin: 0; } .lc-tint-legend .lc-tint { padding: 1px 6px; }
#chatbot .lc-cited { font-size: 13px; color: var(--body-text-color-subdued); margin: 2px 0 0; }
#chatbot .lc-cited summary { cursor: pointer; font-weight: 600; }
#chatbot .lc-cited ul { margin: 4px 0 0; padding-left: 18px; }
#chatbot .lc-cited li { margin: 3px 0; font-size: 13px; }
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
