/**
 * Reads the repository's packages as the layers check sees them: names, declared dependencies, references,
 * and the imports of every source file. Imports are taken from a real parse, so that comments and strings
 * do not count and type imports, re-exports, `import()` and `import("...")` types do.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseSync } from "vite";

/**
 * @typedef {object} SourceFile
 * @property {string} path within src, with slashes
 * @property {readonly string[]} imports specifiers as written
 *
 * @typedef {object} Workspace
 * @property {string} folder "packages/model"
 * @property {string} key the folder's own name, which the table of layers uses: "model"
 * @property {string} name "@sixfold/model"
 * @property {readonly string[]} entries keys of package.json's `exports`: ".", "./contract"
 * @property {readonly string[]} dependencies names
 * @property {readonly string[]} devDependencies names
 * @property {readonly string[]} references keys of the packages that tsconfig.json references
 * @property {readonly SourceFile[]} files
 */

/** Stands for the specifier of a dynamic import that is computed. */
export const computed = "(computed)";

/**
 * Specifiers of everything a module imports, in order of kind. A dynamic import whose specifier is
 * not a plain string is reported as {@link computed}.
 * @param {string} path only for its extension
 * @param {string} source
 * @returns {string[]}
 */
export function importsOf(path, source) {
  const { module, program, errors } = parseSync(path, source);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message}`);
  const found = module.staticImports.map(({ moduleRequest }) => moduleRequest.value);
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest } of entries) if (moduleRequest) found.push(moduleRequest.value);
  }
  for (const { moduleRequest } of module.dynamicImports) {
    const text = source.slice(moduleRequest.start, moduleRequest.end);
    found.push(/^(["'`])[^"'`$]*\1$/.test(text) ? text.slice(1, -1) : computed);
  }
  if (/\bimport\s*\(/.test(source)) found.push(...importTypesOf(program));
  return [...new Set(found)];
}

/** Specifiers of `import("...")` types anywhere below a node. @param {unknown} node @returns {string[]} */
function importTypesOf(node) {
  if (node === null || typeof node !== "object") return [];
  if ("type" in node && node.type === "TSImportType" && "source" in node) {
    const { source } = node;
    if (source !== null && typeof source === "object" && "value" in source) return [String(source.value)];
  }
  return Object.values(node).flatMap(importTypesOf);
}

/** @param {string} file @returns {any} */
const readJson = (file) => JSON.parse(readFileSync(file, "utf8"));

/** @param {string} root @param {string} folder @returns {Workspace} */
function readWorkspace(root, folder) {
  const manifest = readJson(join(root, folder, "package.json"));
  const tsconfig = join(root, folder, "tsconfig.json");
  const source = join(root, folder, "src");
  const paths = existsSync(source) ? readdirSync(source, { recursive: true, encoding: "utf8" }) : [];
  return {
    folder,
    key: basename(folder),
    name: manifest.name,
    entries: Object.keys(manifest.exports ?? {}),
    dependencies: Object.keys(manifest.dependencies ?? {}),
    devDependencies: Object.keys(manifest.devDependencies ?? {}),
    references: existsSync(tsconfig)
      ? (readJson(tsconfig).references ?? []).map((/** @type {{ path: string }} */ { path }) =>
          basename(path),
        )
      : [],
    files: paths
      .map((path) => path.replaceAll("\\", "/"))
      .filter((path) => /\.tsx?$/.test(path))
      .sort()
      .map((path) => ({ path, imports: importsOf(path, readFileSync(join(source, path), "utf8")) })),
  };
}

/**
 * @param {string} root
 * @returns {{ workspaces: Workspace[], rootDevelopment: string[] }}
 */
export function readWorkspaces(root) {
  const folders = ["packages", "apps"].flatMap((parent) =>
    readdirSync(join(root, parent))
      .sort()
      .map((name) => `${parent}/${name}`)
      .filter((folder) => existsSync(join(root, folder, "package.json"))),
  );
  return {
    workspaces: folders.map((folder) => readWorkspace(root, folder)),
    rootDevelopment: Object.keys(readJson(join(root, "package.json")).devDependencies ?? {}),
  };
}
