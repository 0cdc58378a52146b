/** Loads a module of procedures: every function it exports, by its name. TypeScript modules are run as they are. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Procedure } from "@sixfold/database";
import { SixfoldError } from "@sixfold/model";

export async function loadProcedures(file: string | undefined): Promise<ReadonlyMap<string, Procedure>> {
  const procedures = new Map<string, Procedure>();
  if (file === undefined) return procedures;
  const url = pathToFileURL(path.resolve(file)).href;
  const module = await importModule(file, url);
  for (const [name, value] of Object.entries(module))
    if (typeof value === "function") procedures.set(name, value as Procedure);
  if (procedures.size === 0)
    throw new SixfoldError("bad-request", `${file} exports no functions: nothing to call`);
  return procedures;
}

async function importModule(file: string, url: string): Promise<Record<string, unknown>> {
  try {
    if (!/\.[cm]?ts$/.test(file)) return (await import(url)) as Record<string, unknown>;
    const { tsImport } = await import("tsx/esm/api");
    return (await tsImport(url, import.meta.url)) as Record<string, unknown>;
  } catch (cause) {
    throw new SixfoldError(
      "bad-request",
      `cannot load procedures from ${file}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
