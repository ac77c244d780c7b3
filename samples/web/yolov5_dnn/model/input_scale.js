// Which pixels a network of another exporter takes: from 0 to 1, or from 0 to 255, which it scales itself.

const PASSING = ["Cast", "Identity", "Transpose", "Reshape"]; // they change no number

/**
 * Tell by what the graph does to its input before anything else: 255 if it brings 0 … 255 to about 0 … 1.
 *
 * A division by 255, or a mean of 123, is one of pixels from 0 to 255; 0.485 is one of pixels from 0 to 1.
 *
 * @param {object} graph from `read_graph`
 */
export function input_scale(graph) {
  const constants = new Map(graph.tensors);
  let value = graph.input;
  for (const node of graph.nodes) {
    const constant = node.op_type === "Constant" ? node.attributes.get("value") : undefined;
    if (constant?.kind === "t") constants.set(node.outputs[0], constant.value);
    if (!node.inputs.includes(value)) continue;
    if (!PASSING.includes(node.op_type)) return scale_of(node, value, constants);
    value = node.outputs[0];
  }
  return 1;
}

/** What the first node that changes numbers says; its other input has to be a constant. */
function scale_of(node, value, constants) {
  const others = node.inputs.filter((name) => name !== value).map((name) => constants.get(name)?.values ?? []);
  if (!["Div", "Mul", "Sub", "Add"].includes(node.op_type) || others.length !== 1) return 1;
  const size = Math.max(0, ...others[0].map(Math.abs));
  const large = node.op_type === "Mul" ? size > 0 && size < 0.05 : size > 50;
  return large && (node.op_type !== "Div" || node.inputs[0] === value) ? 255 : 1;
}
