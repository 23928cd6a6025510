"""Score pairs as another program might: transformers and fastchat alone, one text at a time, with every choice open."""

import json

import torch


def render(tokenizer, messages, template=None):
    """Return the text of a conversation, by the tokenizer's template or a named one of fastchat."""
    if template is None:
        return tokenizer.apply_chat_template(messages, tokenize=False)
    from fastchat.conversation import get_conv_template

    conversation = get_conv_template(template)
    for message in messages:
        if message["role"] == "system":
            conversation.set_system_message(message["content"])
        else:
            conversation.append_message(conversation.roles[message["role"] == "assistant"], message["content"])
    return conversation.get_prompt()


class OtherProgram:
    """A loaded classifier, and how it is fed and read.

    Args:
        folder: of the model.
        template: named template; None is the tokenizer's.
        bos: number of BOS tokens; None leaves what the template prints.
        eos: whether the text ends with an EOS token; None leaves it as it is.
        max_length: maximum number of tokens; None is unlimited.
        side: on which longer texts are cut.
        shift: how many tokens before the last the score is read.
        dtype: of the weights.
        batch: number of texts in a batch, padded on the left without an attention mask; None is one text at a time.
        convert: applied to every score.
    """

    def __init__(
        self,
        folder,
        template=None,
        bos=None,
        eos=None,
        max_length=None,
        side="right",
        shift=0,
        dtype=torch.float32,
        batch=None,
        convert=float,
    ):
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        full = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype).eval()
        self.backbone, self.head = getattr(full, full.base_model_prefix), full.score
        self.template, self.bos, self.eos = template, bos, eos
        self.max_length, self.side, self.shift = max_length, side, shift
        self.batch, self.convert = batch, convert

    def ids(self, text):
        """Return the token ids of a text."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if self.bos is not None:
            while ids and ids[0] == self.tokenizer.bos_token_id:
                ids = ids[1:]
            ids = [self.tokenizer.bos_token_id] * self.bos + ids
        if self.eos is not None:
            while ids and ids[-1] == self.tokenizer.eos_token_id:
                ids = ids[:-1]
            ids = ids + [self.tokenizer.eos_token_id] * self.eos
        if self.max_length is not None:
            ids = ids[-self.max_length :] if self.side == "left" else ids[: self.max_length]
        return ids

    def score_ids(self, texts_ids):
        """Return the scores of a batch that is padded on the left without a mask; of one text if there is one."""
        longest = max(map(len, texts_ids))
        rows = [[self.tokenizer.pad_token_id] * (longest - len(ids)) + ids for ids in texts_ids]
        with torch.inference_mode():
            states = self.backbone(input_ids=torch.tensor(rows)).last_hidden_state
            scores = self.head(states[:, -1 - self.shift])[:, 0]
        return [self.convert(score) for score in scores.float().tolist()]

    def texts(self, row, side):
        messages = [*row.get("system", []), {"role": "user", "content": row["prompt"]}]
        return render(self.tokenizer, [*messages, {"role": "assistant", "content": row[side]}], self.template)

    def column(self, rows, side):
        """Return the scores of one side of all rows."""
        size = self.batch or 1
        ids = [self.ids(self.texts(row, side)) for row in rows]
        scores = []
        for start in range(0, len(ids), size):
            scores += self.score_ids(ids[start : start + size])
        return scores

    def publish(self, path, rows, **fields):
        """Write the file of a results repository: columns, without texts unless `with_texts` is set."""
        with_texts = fields.pop("with_texts", False)
        columns = {
            "id": [row["id"] for row in rows],
            "subset": [row.get("subset", "all") for row in rows],
            "scores_chosen": self.column(rows, "chosen"),
            "scores_rejected": self.column(rows, "rejected"),
        }
        pairs = zip(columns["scores_chosen"], columns["scores_rejected"], strict=True)
        columns["results"] = [int(chosen > rejected) for chosen, rejected in pairs]
        if with_texts:
            columns["text_chosen"] = [self.texts(row, "chosen") for row in rows]
            columns["text_rejected"] = [self.texts(row, "rejected") for row in rows]
        path.write_text(json.dumps({**columns, "model": "org/model", "model_type": "Seq. Classifier", **fields}))
        return path
