/** All that is timed. */
import { engineCases } from "./engine-cases.ts";
import type { Case } from "./measure.ts";
import { segmentCases } from "./segment-cases.ts";
import { wireCases } from "./wire-cases.ts";

export const allCases = (): readonly Case[] => [...wireCases(), ...segmentCases(), ...engineCases()];
