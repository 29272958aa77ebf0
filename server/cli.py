"""The console command ``realtime-engine``: serve, model-server, transcribe, doctor, lm."""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from server.clients_config import CLIENT_SETTINGS, client_settings
from server.config import (
    ENGINE_SETTINGS,
    MODEL_SERVER_VARIABLE,
    SERVE_SETTINGS,
    ConfigError,
    add_arguments,
    engine_config,
    serve_config,
)
from server.doctor import examine
from server.engine import Engine
from server.processes import EngineError, UnusableError
from server.supervisor import ServeError, serve, serve_linked, serve_models
from server.tiers.config import (
    KEY_SETTING,
    LINK_SETTINGS,
    MODEL_SERVER_SETTINGS,
    SHARED_WITH_SERVE,
    link_config,
    model_server_config,
)
from server.transcribe import AudioFileError, transcribe
from shm.logs import announce, configure
from shm.plane import PlaneError

EXIT_FAILED: Final = 1
EXIT_UNUSABLE: Final = 2
LM: Final = "lm"


def main() -> None:
    """Parses the command line and runs one command; errors are one line and an exit code."""
    try:
        if sys.argv[1:2] == [LM]:
            sys.exit(_lm(sys.argv[2:]))
        arguments = _parser().parse_args()
        sys.exit(arguments.run(arguments))
    except UnusableError:
        sys.exit(EXIT_UNUSABLE)  # the process that found it out has said why
    except (ConfigError, ServeError, EngineError, PlaneError) as error:
        if not announce(str(error), logging.CRITICAL):
            print(f"realtime-engine: {error}", file=sys.stderr)
        sys.exit(EXIT_UNUSABLE)
    except KeyboardInterrupt:
        sys.exit(130)


def _serve(arguments: argparse.Namespace) -> int:
    flags = vars(arguments)
    clients = client_settings(flags, os.environ)
    config = replace(serve_config(flags, os.environ), clients=clients)
    link = link_config(flags, os.environ)
    configure(config.logs)
    if link is not None:
        serve_linked(config, link)
    else:
        serve(config, *engine_config(flags, os.environ))
    return 0


def _model_server(arguments: argparse.Namespace) -> int:
    flags = vars(arguments)
    config = model_server_config(flags, os.environ)
    configure(config.serve.logs)
    serve_models(config, *engine_config(flags, os.environ))
    return 0


def _transcribe(arguments: argparse.Namespace) -> int:
    config, spec = engine_config(vars(arguments), os.environ)
    failed = False
    engine = Engine(config, spec, frontends=1)
    try:
        engine.start()
        for path in arguments.files:
            try:
                transcript = transcribe(engine, path, text2int=arguments.text2int)
            except AudioFileError as error:
                print(f"realtime-engine: {error}", file=sys.stderr)
                failed = True
                continue
            print(transcript.to_json().decode() if arguments.json else transcript.text, flush=True)
    finally:
        engine.close()
    return EXIT_FAILED if failed else 0


def _doctor(arguments: argparse.Namespace) -> int:
    flags = vars(arguments)
    config = replace(serve_config(flags, os.environ), clients=client_settings(flags, os.environ))
    if link_config(flags, os.environ) is not None:
        raise ConfigError(
            f"{MODEL_SERVER_VARIABLE} is set, and doctor looks at the engine of its own machine: "
            "run it on the model server, and ask this one for /readyz"
        )
    healthy = True
    for finding in examine(config, *engine_config(flags, os.environ)):
        print(finding, flush=True)
        healthy = healthy and finding.ok
    return 0 if healthy else EXIT_FAILED


def _lm(arguments: list[str]) -> int:
    """The tools for language models run in a process of their own: this side loads no KenLM."""
    return subprocess.run([sys.executable, "-m", "tools.lm", *arguments], check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realtime-engine",
        description="Real-time speech recognition: audio in over WebSockets, words back while "
        "they are spoken.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve_parser = commands.add_parser(
        "serve",
        help="run the server",
        description="Runs the server until Ctrl-C or SIGTERM. Every option can also be set by the "
        "environment variable beside it; the option wins.",
    )
    add_arguments(serve_parser, SERVE_SETTINGS)
    add_arguments(serve_parser, CLIENT_SETTINGS)
    add_arguments(serve_parser, LINK_SETTINGS)
    add_arguments(serve_parser, ENGINE_SETTINGS)
    serve_parser.set_defaults(run=_serve)

    model_server_parser = commands.add_parser(
        "model-server",
        help="run the engine for WebSocket servers on other machines",
        description="Runs an engine without a WebSocket until Ctrl-C or SIGTERM: servers that are "
        "started with --modelserver connect to it. Both need the same key.",
    )
    add_arguments(model_server_parser, MODEL_SERVER_SETTINGS)
    add_arguments(model_server_parser, SHARED_WITH_SERVE)
    add_arguments(model_server_parser, (KEY_SETTING,))
    add_arguments(model_server_parser, ENGINE_SETTINGS)
    model_server_parser.set_defaults(run=_model_server)

    transcribe_parser = commands.add_parser(
        "transcribe",
        help="print what is said in audio files",
        description="Transcribes WAV, FLAC, MP3 or OGG files through the same engine as the "
        "server's. One line per file.",
    )
    transcribe_parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    transcribe_parser.add_argument(
        "--json", action="store_true", help="print a JSON object per file, with words and times"
    )
    transcribe_parser.add_argument(
        "--text2int", action="store_true", help="write numbers as digits"
    )
    add_arguments(transcribe_parser, ENGINE_SETTINGS)
    transcribe_parser.set_defaults(run=_transcribe)

    doctor_parser = commands.add_parser(
        "doctor",
        help="check this machine",
        description="Checks device, model files, language model, port, shared memory and clock, "
        "and says what to do about what is not in order. Exits 1 if anything is not.",
    )
    add_arguments(doctor_parser, SERVE_SETTINGS)
    add_arguments(doctor_parser, CLIENT_SETTINGS)
    add_arguments(doctor_parser, ENGINE_SETTINGS)
    doctor_parser.set_defaults(run=_doctor)

    # Listed here, run by `main`: its options are those of the tools, which this side cannot import.
    commands.add_parser(LM, help="build a language model of your own text and phrases")
    return parser


if __name__ == "__main__":
    main()
