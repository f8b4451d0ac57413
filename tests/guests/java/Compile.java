// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import org.teavm.tooling.ConsoleTeaVMToolLog;
import org.teavm.tooling.TeaVMTargetType;
import org.teavm.tooling.TeaVMTool;
import org.teavm.vm.TeaVMOptimizationLevel;

/** Compile MAIN_CLASS CLASSES LIBRARIES OUT.wasm: TeaVM's compiler, which has no command of its own in the registry. */
class Compile {
    public static void main(String[] arguments) throws Exception {
        List<File> classPath = new ArrayList<>(List.of(new File(arguments[1])));
        classPath.addAll(List.of(new File(arguments[2]).listFiles()));
        File out = new File(arguments[3]).getAbsoluteFile();
        TeaVMTool tool = new TeaVMTool();
        tool.setTargetType(TeaVMTargetType.WEBASSEMBLY_GC);
        tool.setMainClass(arguments[0]);
        tool.setClassPath(classPath);
        tool.setTargetDirectory(out.getParentFile());
        tool.setTargetFileName(out.getName());
        tool.setOptimizationLevel(TeaVMOptimizationLevel.ADVANCED);
        tool.setStrict(true); // null and bounds are checked
        tool.setObfuscated(false);
        tool.setLog(new ConsoleTeaVMToolLog(false));
        tool.generate();
        tool.getProblemProvider().getProblems().forEach(problem -> System.err.println(problem.getText()));
        System.exit(tool.getProblemProvider().getSevereProblems().isEmpty() ? 0 : 1);
    }
}
