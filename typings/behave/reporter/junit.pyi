from behave.model import Feature, Scenario
from behave.reporter.base import Reporter
from typing import Any
from xml.etree.ElementTree import Element

def CDATA(text: str | None = ...) -> Element: ...

class FeatureReportData:
    feature: Feature
    classname: str
    testcases: list[Element]
    counts_tests: int
    counts_errors: int
    counts_failed: int
    counts_skipped: int
    def __init__(self, feature: Feature, filename: str) -> None: ...

class JUnitReporter(Reporter):
    def _process_scenario(self, scenario: Scenario, report: FeatureReportData) -> None: ...
    def _process_run_items_for(self, parent: Any, report: FeatureReportData) -> None: ...
    def describe_scenario(self, scenario: Scenario) -> str: ...
    def make_feature_filename(self, feature: Feature) -> str: ...
