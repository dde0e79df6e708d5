// The scenarios in the order of the table. Refuses: knowing how one is played.

import type { Scenario } from "./scenario.ts";
import { ASKING } from "./scenarios/asking.ts";
import { EDITING } from "./scenarios/editing.ts";
import { LASTING } from "./scenarios/lasting.ts";
import { SEVERAL_FILES } from "./scenarios/several.ts";

export const SCENARIOS: readonly Scenario[] = [...ASKING, ...EDITING, ...SEVERAL_FILES, ...LASTING];
