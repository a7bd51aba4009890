"""Writing a suite as YAML that loads as the same suite, with defaults, scenarios and files written out."""

from collections.abc import Iterable, Mapping
from typing import Any

from evolve.core.formats.yaml12 import dump_yaml
from evolve.core.model.suite import (
    Assertion,
    AssertSet,
    Prompt,
    ProviderSpec,
    Requirement,
    ScriptRef,
    Suite,
    Test,
    TestOptions,
)


def dump_suite(suite: Suite) -> str:
    """Return the suite as one YAML file that promptfoo reads too.

    The contents of files are inline; functions stay references by absolute path.

    Raises:
        ValueError: a text starts with `file://`; it would be read as a file when the YAML is loaded.
    """
    return dump_yaml(suite_mapping(suite))


def suite_mapping(suite: Suite) -> dict[str, Any]:
    """Return the config that `dump_suite` writes."""
    options = {"repeat": suite.repeat if suite.repeat != 1 else None, "maxConcurrency": suite.max_concurrency}
    return _fill(
        description=suite.description,
        env=dict(suite.env),
        prompts=[_prompt(prompt) for prompt in suite.prompts],
        providers=[_provider(provider) for provider in suite.providers],
        evaluateOptions=_fill(**options, delay=suite.delay_ms or None),
        derivedMetrics=[{"name": metric.name, "value": metric.value} for metric in suite.derived_metrics],
        tests=[_test(test) for test in suite.tests],
    )


def requirements_mapping(test: Test) -> list[dict[str, Any]]:
    """Return a test's assertions in the form of the suite format."""
    return [_requirement(part) for part in test.requirements]


def _fill(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value not in ("", [], {})}


def _prompt(prompt: Prompt) -> dict[str, Any]:
    if prompt.function is not None:
        return {"id": _script(prompt.function), "label": prompt.label, **_fill(config=dict(prompt.config))}
    raw = _plain(prompt.raw)
    return {**_fill(id=prompt.id), "raw": raw, "label": prompt.label, **_fill(config=dict(prompt.config))}


def _script(ref: ScriptRef) -> str:
    return f"file://{ref.path}:{ref.function}" if ref.function else f"file://{ref.path}"


def _plain(text: str) -> str:
    if text.startswith("file://"):
        raise ValueError(f"cannot write text that starts with file:// into a suite: {text[:60]!r}")
    return text


def _provider(provider: ProviderSpec) -> dict[str, Any]:
    return _fill(
        id=provider.id,
        label=provider.label,
        config=_thaw(provider.config),
        prompts=list(provider.prompts) if provider.prompts else None,
        transform=provider.transform,
        delay=provider.delay_ms or None,
        env=dict(provider.env),
    )


def _test(test: Test) -> dict[str, Any]:
    scripts = {name: _script(ref) for name, ref in test.var_scripts.items()}
    written = _fill(
        description=test.description,
        threshold=test.threshold,
        options=options_mapping(test.options),
        metadata=_thaw(test.metadata),
        provider=_thaw(test.provider),
        assertScoringFunction=test.scoring,
        prompts=_names(test.prompts),
        providers=_names(test.providers),
    )
    output = {"providerOutput": _thaw(test.provider_output)} if test.has_provider_output else {}
    variables = {name: scripts.get(name, _inert(value)) for name, value in test.vars.items()}
    return {
        "vars": variables,
        **written,
        **output,
        **_fill(**{"assert": requirements_mapping(test)}),
    }


def _names(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else list(names)


def _inert(value: Any) -> Any:
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, list) and value and isinstance(value[0], str):
        return [_inert(part) if isinstance(part, str) else part for part in value]
    return value


def options_mapping(options: TestOptions) -> dict[str, Any]:
    """Return a test's options as a suite has them."""
    return {
        **_thaw(options.config),
        **_fill(
            prefix=options.prefix,
            suffix=options.suffix,
            transform=options.transform,
            transformVars=options.transform_vars,
            disableVarExpansion=options.disable_var_expansion or None,
            disableDefaultAsserts=options.disable_default_asserts or None,
            disableConversationVar=options.disable_conversation_var or None,
            repeat=options.repeat,
            storeOutputAs=options.store_output_as,
            provider=_thaw(options.provider),
            rubricPrompt=_thaw(options.rubric_prompt),
        ),
    }


def _requirement(requirement: Requirement) -> dict[str, Any]:
    weight = requirement.weight if requirement.weight != 1 else None
    if isinstance(requirement, AssertSet):
        return {
            "type": "assert-set",
            "assert": [_assertion(part) for part in requirement.assertions],
            **_optional(
                threshold=requirement.threshold,
                weight=weight,
                metric=requirement.metric,
                config=requirement.config or None,
            ),
        }
    return _assertion(requirement)


def _assertion(assertion: Assertion) -> dict[str, Any]:
    return {
        "type": f"not-{assertion.type}" if assertion.negated else assertion.type,
        **_optional(
            value=assertion.value,
            threshold=assertion.threshold,
            weight=assertion.weight if assertion.weight != 1 else None,
            metric=assertion.metric,
            transform=assertion.transform,
            provider=assertion.provider,
            rubricPrompt=assertion.rubric_prompt,
            config=assertion.config or None,
        ),
    }


def _optional(**fields: Any) -> dict[str, Any]:
    return {name: _thaw(value) for name, value in fields.items() if value is not None}


def _thaw(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
