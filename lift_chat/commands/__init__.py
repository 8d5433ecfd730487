"""The commands of the terminal, one module per noun; `lift_chat.cli` puts them together.

Nothing here imports torch or gradio: listing a library must not wait for them.
"""
