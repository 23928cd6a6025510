"""Serve a small reward model on 127.0.0.1 in each HTTP dialect, right, or wrong in the ways that servers are wrong.

    with FakeRewardServer("vllm", folder, "sigmoid_always") as server:
        load_scorer(ModelSpec(str(folder), server=ServerSpec("vllm", Endpoint(server.base_url))))

The model behind it is the transformers model of the folder in float32, one unpadded text at a time. `FAULTS` lists the
wrong ways; the dialects follow the servers' own source, field by field.
"""

import asyncio
import json
import re
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import cache

import torch
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from transformers import AutoModelForSequenceClassification, AutoTokenizer

FAULTS = {
    "hidden_state": "the hidden state of the last token instead of a score",
    "softmax_always": "the softmax of one label, whatever the request says",
    "sigmoid_always": "the sigmoid of the score, whatever the request says",
    "normalised": "outputs of length 1",
    "constant": "the same score for every text",
    "random": "another score for the same text",
    "nan": "null, as JSON has no NaN",
    "nan_as_zero": "0 for NaN",
    "per_token": "a list for each token",
    "too_few": "one result too few",
    "shuffled": "results in another order, without the right index",
    "out_of_order": "results in another order, with the right index",
    "same_index": "the index 0 for every result",
    "other_model": "answers name another model",
    "lists_other_model": "the list of models has another one",
    "truncates": "texts cut to 20 tokens",
    "adds_bos": "a second BOS before the ids",
    "batch_effects": "scores that depend on the batch",
    "error_200": "an error in a body with status 200",
    "html": "a web page instead of JSON",
    "list_of_words": "JSON of another form",
    "redirect": "a redirect to another host",
    "huge": "a body that never ends",
    "drip": "a byte every tenth of a second",
    "hang": "no answer",
    "dropped": "a closed connection at every other request",
    "rate_limited": "429 with Retry-After at every other request",
    "unavailable": "503 at every request",
    "refuses_long": "400 for a batch with a text of more than 40 tokens",
    "unauthorized": "401 unless the key is right",
    "echoes_key": "the key in an error message",
    "no_path": "404 for the first path of the dialect",
}
KEY = "sk-secret-of-the-reward-server"


class FakeRewardServer:
    """A server in a thread; `requests` has the method, path, headers and body of each request.

    Args:
        dialect: vllm, sglang, openrlhf, llamafactory or tei.
        folder: the model.
        faults: names of FAULTS.
        version: how the server reads requests: for vllm the name of its activation flag (use_activation, activation,
            softmax or ""; `any_softmax` reads every value of softmax as true), for openrlhf characters, tokens or text.
        max_length: maximum tokens of a text.
        generates: of LLaMA-Factory: the stage is sft.
    """

    def __init__(self, dialect, folder, *faults, **options):
        self.dialect, self.folder, self.lock = dialect, str(folder), threading.Lock()
        self.model, self.tokenizer = load_model(str(folder))
        self.reset(*faults, **options)

    def reset(self, *faults, version=None, max_length=4096, generates=False, served=None):
        """Change what is wrong, and forget the requests."""
        assert set(faults) <= FAULTS.keys(), faults
        self.faults, self.max_length, self.generates = set(faults), max_length, generates
        self.version = version or {"vllm": "use_activation", "openrlhf": "text"}.get(self.dialect)
        self.served = served or self.folder
        self.requests, self.counts = [], Counter()
        self.at_once = self.most_at_once = 0
        self.latency = 0.0

    def __enter__(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        routes = []
        for path, (method, handler) in getattr(self, f"_{self.dialect}_routes")().items():
            routes.append(Route(path, self._with_faults(path, handler), methods=[method]))
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="critical", lifespan="off", timeout_graceful_shutdown=0
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listener]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *error):
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(5)

    # Faults of transport

    def _with_faults(self, path, handler):
        async def endpoint(request: Request) -> Response:
            data = await request.body()
            body = json.loads(data) if data else None
            with self.lock:
                self.requests.append((request.method, path, dict(request.headers), body))
                self.counts[path] += 1
                number = self.counts[path]
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                if self.latency:
                    await asyncio.sleep(self.latency)
                if "unauthorized" in self.faults and request.headers.get("authorization") != f"Bearer {KEY}":
                    return JSONResponse({"error": "Unauthorized"}, 401)
                if request.method == "POST":
                    wrong = await self._wrong_response(request, path, number)
                    if wrong is not None:
                        return wrong
                return await asyncio.to_thread(handler, body)
            except Refusal as refusal:
                return self._error(str(refusal), refusal.status)
            finally:
                with self.lock:
                    self.at_once -= 1

        return endpoint

    async def _wrong_response(self, request, path, number):
        faults = self.faults
        if "html" in faults:
            return HTMLResponse("<html><body>It works!</body></html>")
        if "list_of_words" in faults:
            return JSONResponse({"answer": ["no", "scores"]})
        if "redirect" in faults:
            return RedirectResponse("http://127.0.0.2:9/steal")
        if "error_200" in faults:
            return JSONResponse({"object": "error", "message": "CUDA error: device-side assert", "code": 500})
        if "echoes_key" in faults:
            return JSONResponse({"error": {"message": f"bad {request.headers.get('authorization')}"}}, 400)
        if "unavailable" in faults:
            return JSONResponse({"error": "overloaded"}, 503, {"Retry-After": "0"})
        if "no_path" in faults and path in ("/classify", "/get_reward"):
            return JSONResponse({"detail": "Not Found"}, 404)
        if "rate_limited" in faults and number % 2:
            return JSONResponse({"error": "slow down"}, 429, {"Retry-After": "0.01"})
        if "dropped" in faults and number % 2:
            return StreamingResponse(_broken(), media_type="application/json", headers={"Content-Length": "100"})
        if "hang" in faults:
            await asyncio.sleep(30)
        if "huge" in faults:
            return StreamingResponse(_endless(b"0," * 2**19, 0.0), media_type="application/json")
        if "drip" in faults:
            return StreamingResponse(_endless(b" ", 0.1), media_type="application/json")
        return None

    def _error(self, message, status):
        if self.dialect == "tei":
            return JSONResponse({"error": message, "error_type": "Validation"}, status)
        if self.dialect in ("vllm", "sglang"):
            return JSONResponse({"error": {"message": message, "type": "BadRequestError", "code": status}}, status)
        return JSONResponse({"detail": message}, status)

    # The model and its faults

    def _vectors(self, batch, activation="none"):
        """Return the numbers of each text of a batch, wrong as the faults say."""
        if "refuses_long" in self.faults and max(map(len, batch)) > 40:
            raise Refusal("the text is too long", 400)
        if max(map(len, batch)) > self.max_length:
            raise Refusal(f"This model's maximum context length is {self.max_length} tokens.", 400)
        batch = [self._read_ids(ids) for ids in batch]
        with self.lock, torch.inference_mode():
            vectors = [self._vector(ids, activation, len(batch)) for ids in batch]
        if "too_few" in self.faults and len(vectors) > 1:
            vectors.pop()
        if "shuffled" in self.faults:
            vectors.reverse()
        return vectors

    def _read_ids(self, ids):
        ids = [self.tokenizer.bos_token_id, *ids] if "adds_bos" in self.faults else list(ids)
        return ids[:20] if "truncates" in self.faults else ids

    def _vector(self, ids, activation, batch_size):
        if "hidden_state" in self.faults:
            return self.model.model(torch.tensor([ids])).last_hidden_state[0, -1].tolist()
        score = compute_score(self.folder, tuple(ids))
        if "per_token" in self.faults:
            return [[score]] * len(ids)
        if "constant" in self.faults:
            score = 0.125
        if "random" in self.faults:
            score = float(torch.randn(()))
        if "nan" in self.faults:
            return [None]
        if "nan_as_zero" in self.faults:
            return [0.0]
        if "batch_effects" in self.faults:
            score += 1e-3 * (batch_size > 1)
        if "normalised" in self.faults:
            return [1.0 if sum(ids) % 2 else -1.0]
        if "softmax_always" in self.faults or activation == "softmax":
            return [1.0]
        if "sigmoid_always" in self.faults or activation == "sigmoid":
            return [float(torch.sigmoid(torch.tensor(score)))]
        return [score]

    def _rows(self, rows):
        """Return the rows of an answer with their index."""
        for index, row in enumerate(rows):
            row["index"] = 0 if "same_index" in self.faults else index
        return rows[::-1] if "out_of_order" in self.faults else rows

    def _answer_model(self):
        return "other/model" if "other_model" in self.faults else self.served

    # vLLM

    def _listed(self):
        return "other/model" if "lists_other_model" in self.faults else self.served

    def _vllm_routes(self):
        return {
            "/version": ("GET", lambda _: JSONResponse({"version": "0.13.0"})),
            "/v1/models": ("GET", self._vllm_models),
            "/classify": ("POST", self._vllm_classify),
            "/pooling": ("POST", self._vllm_pooling),
        }

    def _vllm_models(self, _):
        card = {"id": self._listed(), "object": "model", "max_model_len": self.max_length}
        return JSONResponse({"object": "list", "data": [card]})

    def _vllm_vectors(self, body):
        if body["model"] != self.served:
            raise Refusal(f"The model `{body['model']}` does not exist.", 404)
        ids = body["input"]
        assert all(isinstance(number, int) for text in ids for number in text), "ids must be sent"
        if self.version == "any_softmax":  # 0.12: softmax := x is not None, and use_activation as it should be
            is_activated = "softmax" in body or "activation" in body or body.get("use_activation") is not False
        else:
            is_activated = body.get(self.version) is not False
        usage = sum(len(self._read_ids(text)) for text in ids)
        return self._vectors(ids, "sigmoid" if is_activated else "none"), {
            "prompt_tokens": usage,
            "total_tokens": usage,
        }

    def _vllm_answer(self, rows, usage):
        answer = {"id": "x", "object": "list", "created": 0, "model": self._answer_model()}
        return JSONResponse({**answer, "data": self._rows(rows), "usage": usage})

    def _vllm_classify(self, body):
        vectors, usage = self._vllm_vectors(body)
        rows = [{"label": "LABEL_0", "probs": vector, "num_classes": len(vector)} for vector in vectors]
        return self._vllm_answer(rows, usage)

    def _vllm_pooling(self, body):
        vectors, usage = self._vllm_vectors(body)
        return self._vllm_answer([{"object": "pooling", "data": vector} for vector in vectors], usage)

    # SGLang

    def _sglang_routes(self):
        return {
            "/get_server_info": ("GET", self._sglang_info),
            "/get_model_info": ("GET", lambda _: JSONResponse({"model_path": self._listed(), "is_generation": False})),
            "/classify": ("POST", self._sglang_classify),
            "/v1/embeddings": ("POST", self._sglang_embeddings),
        }

    def _sglang_info(self, _):
        names = {"model_path": self._listed(), "served_model_name": self._listed()}
        return JSONResponse({"version": "0.5.5", "dtype": "auto", "max_req_input_len": self.max_length, **names})

    def _sglang_classify(self, body):
        ids = body["input_ids"]
        rows = []
        for text, vector in zip(ids, self._vectors(ids), strict=False):
            meta = {"prompt_tokens": len(self._read_ids(text)), "finish_reason": None}
            rows.append({"embedding": vector, "meta_info": meta})
        return JSONResponse(rows)

    def _sglang_embeddings(self, body):
        ids = body["input"]
        rows = [{"object": "embedding", "embedding": vector} for vector in self._vectors(ids)]
        usage = sum(len(self._read_ids(text)) for text in ids)
        answer = {"object": "list", "model": self._answer_model(), "data": self._rows(rows)}
        return JSONResponse({**answer, "usage": {"prompt_tokens": usage, "total_tokens": usage}})

    # Servers that tokenize

    def _tokenize(self, text, limit, special=True):
        return self.tokenizer(text, add_special_tokens=special, truncation=True, max_length=limit)["input_ids"]

    def _openrlhf_routes(self):
        return {"/get_reward": ("POST", self._get_reward)}

    def _get_reward(self, body):
        eos, pad = self.tokenizer.eos_token, self.tokenizer.pad_token
        batch = []
        for query in body["query"]:
            if self.version == "characters":
                query = query.strip(pad).strip(eos) + eos
            elif self.version == "tokens":
                tokens = f"({re.escape(eos)}|{re.escape(pad)})+"
                query = re.sub(f"{tokens}$", "", re.sub(f"^{tokens}", "", query)) + eos
            batch.append(self._tokenize(query, self.max_length, special=self.version == "characters"))
        rewards = [vector[0] if len(vector) == 1 else vector for vector in self._vectors(batch)]
        return JSONResponse({"rewards": rewards, "scores": rewards, "extra_logs": {"dummy_scores": rewards}})

    def _llamafactory_routes(self):
        models = {"object": "list", "data": [{"id": "gpt-3.5-turbo", "object": "model"}]}
        return {
            "/v1/models": ("GET", lambda _: JSONResponse(models)),
            "/v1/score/evaluation": ("POST", self._score_evaluation),
        }

    def _score_evaluation(self, body):
        if self.generates:
            raise Refusal("Not allowed", 405)
        batch = [self._tokenize(text, body.get("max_length") or self.max_length) for text in body["messages"]]
        scores = [vector[0] if len(vector) == 1 else vector for vector in self._vectors(batch)]
        return JSONResponse({"id": "x", "object": "score.evaluation", "model": body["model"], "scores": scores})

    def _tei_routes(self):
        return {"/info": ("GET", self._tei_info), "/predict": ("POST", self._predict)}

    def _tei_info(self, _):
        info = {
            "model_id": self._listed(),
            "model_dtype": "float32",
            "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
            "max_input_length": self.max_length,
            "max_client_batch_size": 8,
            "version": "1.7.0",
        }
        return JSONResponse(info)

    def _predict(self, body):
        batch = []
        for texts in body["inputs"]:
            ids = self.tokenizer(*texts)["input_ids"]
            if len(ids) > self.max_length and not body["truncate"]:
                raise Refusal(f"`inputs` must have less than {self.max_length} tokens. Given: {len(ids)}", 413)
            batch.append(ids[: self.max_length])
        if len(batch) > 8:
            raise Refusal(f"batch size {len(batch)} > maximum allowed batch size 8", 422)
        vectors = self._vectors(batch, "none" if body.get("raw_scores") else "sigmoid")
        labels = [[{"score": value, "label": f"LABEL_{n}"} for n, value in enumerate(vector)] for vector in vectors]
        tokens = sum(len(self._read_ids(ids)) for ids in batch)
        return JSONResponse(labels, headers={"x-compute-tokens": str(tokens)})


@cache
def running_server(dialect, folder):
    """Return a server that runs until the tests end."""
    return FakeRewardServer(dialect, folder).__enter__()


@contextmanager
def reward_server(dialect, folder, *faults, **options):
    """Context manager: a server as FakeRewardServer makes it, which was started before if it can be reused."""
    server = running_server(dialect, str(folder))
    server.reset(*faults, **options)
    try:
        yield server
    finally:
        server.reset()


@cache
def load_model(folder):
    """Return the model and the tokenizer of a folder."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(folder)


@cache
def compute_score(folder, ids):
    """Return the score of a text by the model of a folder; each text is computed once."""
    model, _ = load_model(folder)
    with torch.inference_mode():
        return float(model(torch.tensor([ids])).logits)


class Refusal(Exception):
    """An error that the server answers with a status."""

    def __init__(self, message, status):
        super().__init__(message)
        self.status = status


async def _endless(chunk, pause):
    while True:
        yield chunk
        await asyncio.sleep(pause)


async def _broken():
    yield b'{"data": ['
    raise ConnectionResetError
