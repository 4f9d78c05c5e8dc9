import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.stream.Stream;
import org.apache.kafka.tools.AclCommand;

/** Runs lines of `kafka-acls.sh` from standard input in one Java: each would start one of its own. */
public class KafkaAcls {
    public static void main(String[] common) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            Stream<String> words = Stream.of(line.split(" ")).skip(1);
            AclCommand.main(Stream.concat(words, Stream.of(common)).toArray(String[]::new));
        }
    }
}
