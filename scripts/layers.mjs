/**
 * The layers check: who may import whom. `node scripts/layers.mjs` prints every violation and exits 1 if
 * there is one. The table below is docs/DESIGN.md section 10's; what is not in it is forbidden.
 *
 * Checked, for every import of every source file (type imports, re-exports and import() included):
 *  - arrows only point down: another package only if the table allows it;
 *  - no second door: only names that the other package's `exports` lists, siblings by relative path;
 *  - nothing undeclared: libraries only if the package.json names them, development dependencies only in tests;
 *  - nothing declared that is not used;
 *  - no cycle among the files of one package;
 *  - package.json and tsconfig.json say the same as the table.
 *
 * The rules are pure functions over a described workspace (./workspace.mjs reads the real one), so that
 * test/layers.test.ts can plant violations in memory.
 */
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { builtinModules } from "node:module";
import { computed, readWorkspaces } from "./workspace.mjs";

/**
 * @typedef {import("./workspace.mjs").Workspace} Workspace
 * @typedef {import("./workspace.mjs").SourceFile} SourceFile
 */

const everyPackage = [
  "model",
  "wire",
  "ports",
  "protocol",
  "segment",
  "volume",
  "engine",
  "database",
  "client",
  "node-ports",
  "sim-ports",
  "cluster",
  "workload",
  "checker",
  "simulation",
];

/**
 * Package -> what it may use, lowest layer first.
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const mayUse = {
  model: [],
  wire: ["model"],
  ports: ["model"],
  protocol: ["model"],
  segment: ["model", "wire"],
  volume: ["model", "wire"],
  engine: ["model"],
  database: ["model", "wire", "engine", "volume"],
  client: ["model", "wire", "ports"],
  "node-ports": ["model", "ports"],
  "sim-ports": ["model", "ports"],
  cluster: everyPackage.slice(0, 11),
  workload: ["model", "client"],
  checker: [],
  simulation: everyPackage.slice(0, 14),
  server: everyPackage,
  cli: everyPackage,
  console: everyPackage,
};

/** An entry that only the tests of some packages may use: the suites each port's implementations must pass. */
const testOnlyEntries = new Map([["@sixfold/ports/contract", new Set(["node-ports", "sim-ports"])]]);

/** @param {string} path */
const isTest = (path) => path.endsWith(".test.ts") || path.endsWith(".fixture.ts");

/**
 * Suites that a package exports for the tests of others: test code without a test's suffix.
 * @param {string} path
 */
const isSuite = (path) => path.startsWith("contract/") || path === "contract.ts";

/** "@scope/name/rest" or "name/rest" -> the package's name. @param {string} specifier */
function packageOf(specifier) {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

/** Files that load what a user names: there alone an import may be computed. */
const loadsByName = new Set(["packages/cluster/src/procedure-modules.ts"]);

/**
 * What is wrong with one import, or undefined.
 * @param {string} specifier
 * @param {SourceFile} file
 * @param {Workspace} from
 * @param {ReadonlyMap<string, Workspace>} byName
 * @param {ReadonlySet<string>} rootDevelopment
 * @returns {string | undefined}
 */
function importFault(specifier, file, from, byName, rootDevelopment) {
  const inTest = isTest(file.path) || isSuite(file.path);
  if (specifier === computed) {
    return loadsByName.has(`${from.folder}/src/${file.path}`) ? undefined : "import: name the module";
  }
  if (specifier.startsWith(".")) {
    const target = posix.join(posix.dirname(file.path), specifier);
    if (target.startsWith("../")) return "leaves the package's src folder";
    return from.files.some(({ path }) => path === target)
      ? undefined
      : "does not name a file of this package";
  }
  if (specifier.startsWith("node:")) return undefined;
  if (builtinModules.includes(specifier)) return `is to be written node:${specifier}`;
  const name = packageOf(specifier);
  const other = byName.get(name);
  const declared =
    from.dependencies.includes(name) ||
    (inTest && (from.devDependencies.includes(name) || (other === undefined && rootDevelopment.has(name))));
  if (other === undefined) return declared ? undefined : "is not among the dependencies in package.json";
  if (other === from) return "imports its own package by name; siblings are imported by file";
  if (!other.entries.includes(specifier.replace(name, "."))) return "is no entry that the package exports";
  const testers = testOnlyEntries.get(specifier);
  if (testers !== undefined) {
    return isTest(file.path) && testers.has(from.key)
      ? undefined
      : "is an entry for the tests of the ports only";
  }
  if (!declared) return "is not among the dependencies in package.json";
  if (!inTest && !mayUse[from.key]?.includes(other.key))
    return `is not allowed: ${from.key} may not use ${other.key}`;
  return undefined;
}

/**
 * A cycle among the files of a package, as the list of its files, or undefined. Depth first: a file met
 * again while it is still open closes a cycle.
 * @param {Workspace} workspace
 * @returns {string[] | undefined}
 */
export function fileCycle({ files }) {
  const byPath = new Map(files.map((file) => [file.path, file]));
  /** @type {Set<string>} */
  const done = new Set();
  /** @type {string[]} */
  const open = [];

  /** @param {string} path @returns {string[] | undefined} */
  function visit(path) {
    if (done.has(path)) return undefined;
    if (open.includes(path)) return [...open.slice(open.indexOf(path)), path];
    open.push(path);
    for (const specifier of byPath.get(path)?.imports ?? []) {
      const target = posix.join(posix.dirname(path), specifier);
      if (!specifier.startsWith(".") || !byPath.has(target)) continue;
      const cycle = visit(target);
      if (cycle !== undefined) return cycle;
    }
    open.pop();
    done.add(path);
    return undefined;
  }

  for (const { path } of files) {
    const cycle = visit(path);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/**
 * Where package.json and tsconfig.json disagree with the table or with each other.
 * @param {Workspace} workspace
 * @param {ReadonlyMap<string, Workspace>} byName
 * @returns {string[]}
 */
function manifestFaults(workspace, byName) {
  /** @type {string[]} */
  const faults = [];
  /** @param {readonly string[]} names */
  const keys = (names) => names.flatMap((name) => byName.get(name)?.key ?? []);
  const allowed = mayUse[workspace.key];
  if (allowed === undefined) return [`${workspace.folder}: not in the table of layers`];
  for (const key of keys(workspace.dependencies)) {
    if (!allowed.includes(key)) faults.push(`${workspace.folder}/package.json: may not depend on ${key}`);
  }
  const needed = new Set(keys([...workspace.dependencies, ...workspace.devDependencies]));
  for (const key of needed) {
    if (!workspace.references.includes(key))
      faults.push(`${workspace.folder}/tsconfig.json: no reference to ${key}`);
  }
  for (const key of workspace.references) {
    if (!needed.has(key))
      faults.push(`${workspace.folder}/tsconfig.json: ${key} is referenced, but not a dependency`);
  }
  return faults;
}

/**
 * Dependencies that no file but tests imports: they cost every installation, and say what is not so.
 * @param {Workspace} workspace
 * @returns {string[]}
 */
export function unusedDependencies({ folder, dependencies, files }) {
  const used = new Set(
    files.filter(({ path }) => !isTest(path)).flatMap(({ imports }) => imports.map(packageOf)),
  );
  return dependencies
    .filter((name) => !used.has(name))
    .map((name) => `${folder}/package.json: nothing imports ${name}`);
}

/**
 * Every violation, as lines "where: what".
 * @param {readonly Workspace[]} workspaces
 * @param {readonly string[]} rootDevelopment development dependencies of the whole repository
 * @returns {string[]}
 */
export function violations(workspaces, rootDevelopment) {
  const byName = new Map(workspaces.map((workspace) => [workspace.name, workspace]));
  const development = new Set(rootDevelopment);
  /** @type {string[]} */
  const found = [];
  for (const workspace of workspaces) {
    found.push(...manifestFaults(workspace, byName));
    for (const file of workspace.files) {
      for (const specifier of file.imports) {
        const fault = importFault(specifier, file, workspace, byName, development);
        if (fault !== undefined) found.push(`${workspace.folder}/src/${file.path}: "${specifier}" ${fault}`);
      }
    }
    const cycle = fileCycle(workspace);
    if (cycle !== undefined) found.push(`${workspace.folder}: cycle ${cycle.join(" -> ")}`);
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { workspaces, rootDevelopment } = readWorkspaces(join(dirname(fileURLToPath(import.meta.url)), ".."));
  const found = [...violations(workspaces, rootDevelopment), ...workspaces.flatMap(unusedDependencies)];
  for (const line of found) process.stdout.write(`${line}\n`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
