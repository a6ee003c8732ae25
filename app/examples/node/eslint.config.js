// Static analysis: the third gate. No presets, so that every rule that can stop a deploy stands here.

const node = {
  URL: "readonly",
  console: "readonly",
  process: "readonly",
};

export default [
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2023, sourceType: "module", globals: node },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: "error",
      "no-undef": "error",
      "no-unused-vars": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
