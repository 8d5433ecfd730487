"""The sentences of the page that are longer than a label, in one place.

Labels of single controls stand beside their controls. No text here comes from a document.
"""

from __future__ import annotations

TAGLINE = "Read a document into the weights of a local language model, then talk to it."
FIRST_VISIT = (
    "Drop a PDF or a book. lift-chat reads it until a small model knows it by heart, on this "
    "machine; afterwards you ask the model, not the file."
)
FIRST_VISIT_OF_SPACE = (
    "lift-chat reads a PDF or a book until a small model knows it by heart; afterwards you ask the "
    "model, not the file."
)
SMALL_PRINT = (
    "PDF, EPUB, Word, HTML, Markdown and plain text. It stays where lift-chat runs. The example is "
    "a short report of an expedition that never was."
)
NOTHING_FOUND = "Nothing matches. Clear the search or the tag to see everything."
NO_DOCUMENT = "Choose a document in the library, or drop one here."
NO_ADAPTER = "Nothing has been absorbed yet. Absorb a document first, then talk to it here."
EMPTY_CHAT = "Ask anything about “{name}”."
ESTIMATING = "Measuring how long this will take on this machine…"
DELETE_ADAPTER = (
    "Delete “{name}” for good? This frees {size}. Its conversations go too; the document stays."
)
DELETE_DOCUMENT = (
    "Delete “{name}” for good? This frees {size}. What was absorbed from it stays and can still "
    "be talked to, but without pages of the document in the window."
)
SLICE_STARTS = "Waiting for a device; then one slice is absorbed. Leave the page open meanwhile."
SLICE_OVER = "One slice further; all of it is kept. Still needed: {left}"
SLICES_OVER = "That was the last slice."
DISCARD_JOB = "Discard this run? What was learned so far is lost; the document stays."
COMPARE_HELP = "One question to both, on the same seed: the base model, and what it has absorbed."
TICK_A_CHAPTER = "Tick at least one chapter."
ASK_SOMETHING = "Type a question first."
NOT_IN_CONVERSATION = "That question is no longer in the conversation."
CHOOSE_DOCUMENT = "Choose a document first."
CHOOSE_ADAPTER = "Choose something absorbed to talk to first."
UPLOAD_FIRST = "The file has to be uploaded to this server first; paths on the server are refused."

SIGN_IN, SIGN_OUT = "Sign in with Hugging Face", "Sign out ({})"
DUPLICATE = "Duplicate this Space"
WHY_SIGN_IN = (
    "Sign in to read a document in: what you keep here is then yours alone, and what you push goes "
    "to repositories of your own, the only ones that this page may touch."
)
SIGN_IN_TO_UPLOAD = "Sign in with Hugging Face to upload a file."
NOT_YOURS = "There is no such thing, or it is not yours; if your sign-in has ended, sign in again."
OTHER_SITE = "A page of another site cannot act for you here."
TOO_LARGE = (
    "That is more than one person may send here; delete what you do not need, or wait a day."
)
UPLOADS_FULL = "The disk of this server is nearly full, so nothing more is taken in for now."

CLOSED_BOOK = "From the weights alone"
EXAM_HELP = (
    "{count} that were set aside and never trained on; how much of the right answers the model's "
    "own hold (token F1)."
)
EXAM_CURVE = "Exam in percent (higher is better)"
PINNED = "Pinned questions, asked again and again"
FROM_WEIGHTS = (
    "Answered from the weights alone: nothing of the document is in the window, and training "
    "never sees these questions."
)
STUDY_HELP = (
    "What the next absorbing asks the model about this document. Correct them, take some out, add "
    "your own. Exam questions are never learned: they show what was."
)
NO_STUDY_ITEMS = (
    "There are no study questions yet. They are written while the document is absorbed; your own "
    "can be added before that."
)
NO_SUCH_ITEM = "That question was changed meanwhile; close and open the list to see it anew."
SHARE_HELP = (
    "Whoever has an adapter can get parts of its document out of it. A file is yours to give; on "
    "the Hugging Face Hub only you see it, unless you make it public. The document itself is never "
    "pushed."
)
KEEP_HELP = (
    "What this Space stores is gone when it restarts. Your adapters can be kept, each with its "
    "document, in a private repository of yours on the Hugging Face Hub; when you sign in again, "
    "they come back. Conversations are not kept."
)
NOT_KEPT = "Nothing is kept so far."
NOT_KEPT_UP = "What is new could not be kept."
ARRIVAL_HELP = (
    "From lift-chat on another machine, or a LoRA that plain PEFT made for the loaded base model. "
    "It is checked before it is kept, and no code in it is ever run."
)
NOTHING_FOUND_HERE = "No study question matches."
KINDS = {
    "fact": "a fact",
    "evidence": "a fact with its proof",
    "sentence": "about one sentence",
    "two-passages": "over two passages",
    "order": "what came first",
    "list": "a list",
    "summary": "a summary",
    "reversed": "asked the other way round",
    "unanswerable": "the text does not say",
    "exam": "exam question, never learned",
    "pinned": "pinned exam question, its answers shown",
}

FILES_MISSING = "Its files are no longer in the library folder, so it cannot be used."

NOTHING_TO_TINT = "Ask something first; then its answer can be looked at."
TINTING = "Reading the answer once with and once without what was absorbed…"
STRENGTH_HELP = (
    "100: as it was trained. 0: the unread model. Beside found passages, half answers best. "
    "Above 100 it may overdo it."
)
CONTEXT_HELP = (
    "The passages that have words of the question, or beginning and end of the document; as much "
    "as fits into its window, and all of it where that fits."
)
TINTS = {
    "much": "learned: more than twenty times likelier than before",
    "some": "learned: more than twice as likely",
    "same": "known before, or readable in the window",
    "less": "less likely than before",
}

ASK = "Ask"
STOP = "Stop"

SORRY = "That did not work"
INTERNAL_ERROR = "Internal error. The details are in the log of the server."

PRESETS = {
    "skim": "Skim: a quick pass to see what sticks",
    "read": "Read: the recommended way",
    "study": "Study: half as long again, with twice the passes over the questions",
}
STAGES = {
    "": "Starting",
    "loading": "Loading the model",
    "reading": "Preparing the text",
    "writing": "Writing study questions",
    "rehearsing": "Noting how the model speaks",
    "before": "Measuring what the model knows before",
    "training": "Absorbing",
    "exam": "Holding an exam",
    "after": "Measuring what it knows now",
    "saving": "Saving",
}
STATES = {
    "queued": "waiting",
    "running": "absorbing",
    "done": "absorbed",
    "failed": "failed",
    "cancelled": "stopped",
    "interrupted": "interrupted",
}
SUGGESTIONS = (
    "What is this document about?",
    "Who are the main people in it?",
    "What happens at the end?",
)
DOCUMENT_TYPES = [".pdf", ".epub", ".docx", ".html", ".htm", ".md", ".markdown", ".txt"]
