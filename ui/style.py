"""How the page looks: paper and ink in light and dark, system fonts only, nothing from a network.

The theme's variables are set here; what they do not reach is in `sheet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from ui.present import base_name
from ui.sheet import MONO, SANS
from ui.shell import TOGGLE_THEME

LOOK = {
    "body_background_fill": "#faf9f7",
    "body_background_fill_dark": "#161514",
    "body_text_color": "#26231f",
    "body_text_color_dark": "#e9e5df",
    "body_text_color_subdued": "#6a635a",
    "body_text_color_subdued_dark": "#a39b90",
    "background_fill_primary": "#ffffff",
    "background_fill_primary_dark": "#1e1c1a",
    "background_fill_secondary": "#f3f1ed",
    "background_fill_secondary_dark": "#252320",
    "border_color_primary": "#e2ded7",
    "border_color_primary_dark": "#38342f",
    "block_background_fill": "*background_fill_primary",
    "block_border_width": "1px",
    "block_shadow": "none",
    "block_label_background_fill": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "*body_text_color_subdued",
    "block_label_text_size": "*text_sm",
    "block_title_text_weight": "600",
    "block_title_text_size": "*text_sm",
    "block_info_text_size": "*text_xs",
    "input_background_fill": "*background_fill_primary",
    "input_background_fill_dark": "*background_fill_secondary",
    "input_border_color": "*border_color_primary",
    "input_border_color_dark": "*border_color_primary",
    "input_placeholder_color": "*body_text_color_subdued",
    "input_placeholder_color_dark": "*body_text_color_subdued",
    "block_background_fill_dark": "*background_fill_primary",
    "block_title_text_color": "*body_text_color",
    "block_title_text_color_dark": "*body_text_color",
    "block_info_text_color": "*body_text_color_subdued",
    "block_info_text_color_dark": "*body_text_color_subdued",
    "input_border_width": "1px",
    "button_primary_background_fill": "#0f6b63",
    "button_primary_background_fill_hover": "#0b544e",
    "button_primary_background_fill_dark": "#2a9d90",
    "button_primary_background_fill_hover_dark": "#38b3a5",
    "button_cancel_background_fill": "#a3311f",
    "button_cancel_background_fill_hover": "#86271a",
    "button_cancel_background_fill_dark": "#a3311f",
    "button_cancel_background_fill_hover_dark": "#b83c28",
    "button_cancel_text_color": "#ffffff",
    "button_cancel_text_color_dark": "#ffffff",
    "button_cancel_border_color": "transparent",
    "button_cancel_border_color_dark": "transparent",
    "button_primary_text_color": "#ffffff",
    "button_primary_text_color_dark": "#0d1413",
    "button_secondary_background_fill": "*background_fill_primary",
    "button_secondary_background_fill_dark": "*background_fill_secondary",
    "button_secondary_background_fill_hover_dark": "*border_color_primary",
    "button_secondary_border_color": "*border_color_primary",
    "button_secondary_border_color_dark": "*border_color_primary",
    "button_large_padding": "9px 16px",
    "button_large_text_weight": "600",
    "button_large_text_size": "*text_md",
    "color_accent": "#0f6b63",
    "color_accent_soft": "#e4f2ef",
    "color_accent_soft_dark": "#17302d",
    "border_color_accent_subdued": "*border_color_primary",
    "border_color_accent_subdued_dark": "*border_color_primary",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_dark": "transparent",
    "checkbox_label_background_fill_selected": "*background_fill_secondary",
    "checkbox_label_background_fill_selected_dark": "*background_fill_secondary",
    "checkbox_label_background_fill_hover": "*background_fill_secondary",
    "checkbox_label_background_fill_hover_dark": "*background_fill_secondary",
    "checkbox_label_border_color": "*border_color_primary",
    "checkbox_label_border_width": "1px",
    "button_secondary_background_fill_hover": "*background_fill_secondary",
    "button_secondary_text_color": "*body_text_color",
    "button_secondary_text_color_dark": "*body_text_color",
    "button_primary_border_color": "transparent",
    "button_primary_border_color_dark": "transparent",
}
"""Variables of Gradio's theme; a name with `_dark` holds in dark mode."""


def theme() -> gr.themes.Base:
    look = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        font=[gr.themes.Font("sans-serif")],
        font_mono=[gr.themes.Font("monospace")],
    ).set(**LOOK)
    look.font, look.font_mono = SANS, MONO
    return look


def header(health: Mapping[str, Any], tagline: str) -> gr.HTML:
    """Name, one sentence, the model in use, and the switch between light and dark."""
    base = escape(base_name(str(health["base_model"])))
    why, device = escape(str(health["base_why"])), escape(str(health["device"]))
    return gr.HTML(
        f'<div class="lc-head"><div class="lc-brand"><h1>lift-chat</h1>'
        f"<p>{escape(tagline)}</p></div>"
        f'<p class="lc-machine" title="{why}"><span>{base}</span><span>{device}</span></p>'
        f'<button type="button" class="lc-theme">Light / dark</button></div>',
        js_on_load=TOGGLE_THEME,
        elem_id="masthead",
    )
