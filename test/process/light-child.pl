#!/usr/bin/perl
# A stdio MCP server as light as one can be: about 2 ms to start and 5 MB, so that tests can run hundreds. It uses no
# module, no network and no file, but for the journal that its first argument may name: one line with the `n` of every
# tools/call that has reached a child, written before the answer, so that a call that ran twice is seen.
# Not JSON, but regular expressions that take every message the broker writes. LightChild.ts says what the tools answer.
use strict;

$SIG{TERM} = sub { exit 0 };
my ($journal) = @ARGV;
if (defined $journal) { open(JOURNAL, '>>', $journal) or die "$journal: $!" }

# 32-bit FNV-1a
my $hash = 0x811c9dc5;
$hash = (($hash ^ ord) * 0x01000193) & 0xffffffff for split //, $ENV{FORGEJO_ACCESS_TOKEN} // '';
$hash = sprintf '%08x', $hash;

my $string = qr/"(?:[^"\\]|\\.)*+"/;
my $object = qr/(\{(?:[^{}"]++|"(?:[^"\\]|\\.)*+"|(?-1))*+\})/;

my @later;    # [milliseconds left, line]: answers of "slow"

sub say_line {
  my $line = "$_[0]\n";
  while (length $line) { substr($line, 0, syswrite(STDOUT, $line) // exit 0) = '' }
}

sub answer {
  my ($id, $member) = @_;
  return "{\"jsonrpc\":\"2.0\",\"id\":$id,$member}";
}

sub tool { return "{\"name\":\"$_[0]\",\"inputSchema\":{\"type\":\"object\"}}" }

sub call {
  my ($id, $params) = @_;
  my $args = $params =~ s/"arguments"\s*:\s*$object// ? $1 : '{}';
  my $name = $params =~ /"name"\s*:\s*($string)/ ? $1 : '""';
  my $n = $args =~ /"n"\s*:\s*($string|-?[\d.eE+-]+)/ ? $1 : 'null';
  syswrite JOURNAL, "$n\n" if defined $journal;
  exit 3 if $name eq '"crash"';
  return say_line(answer($id, '"error":{"code":-32000,"message":"as asked"}')) if $name eq '"error"';
  my $seen = "{\"pid\":$$,\"token\":\"$hash\",\"n\":$n}";
  (my $text = $seen) =~ s/(["\\])/\\$1/g;
  my $line = answer($id, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"$text\"}],\"structuredContent\":$seen}");
  return say_line($line) unless $name eq '"slow"';
  push @later, [$args =~ /"ms"\s*:\s*(\d+)/ ? $1 : 1000, $line];
}

sub take {
  my ($message) = @_;
  # What is left has the outer members only: `id` and `method` inside the params are not taken for them.
  my $params = $message =~ s/"params"\s*:\s*$object// ? $1 : '{}';
  my ($method) = $message =~ /"method"\s*:\s*($string)/;
  my ($id) = $message =~ /"id"\s*:\s*($string|-?\d+)/;
  return unless defined $method && defined $id;    # a notification, or an answer to what was never asked
  return call($id, $params) if $method eq '"tools/call"';
  my $result = '{}';
  if ($method eq '"initialize"') {
    my $version = $params =~ /"protocolVersion"\s*:\s*($string)/ ? $1 : '"2025-11-25"';
    $result = "{\"protocolVersion\":$version,\"capabilities\":{\"tools\":{},\"logging\":{},\"resources\":{\"subscribe\":true}},"
      . '"serverInfo":{"name":"light","version":"1"}}';
  }
  $result = '{"tools":[' . join(',', map { tool($_) } qw(echo slow crash error)) . ']}' if $method eq '"tools/list"';
  say_line(answer($id, "\"result\":$result"));
}

my $input = '';
while (1) {
  my $readable = '';
  vec($readable, fileno(STDIN), 1) = 1;
  my $wait = @later ? (sort { $a <=> $b } map { $_->[0] } @later)[0] / 1000 : undef;
  # Linux tells what is left of the time.
  my ($found, $left) = select($readable, undef, undef, $wait);
  if (defined $wait) {
    $_->[0] -= 1000 * ($found ? $wait - $left : $wait) for @later;
    say_line($_->[1]) for grep { $_->[0] <= 0 } @later;
    @later = grep { $_->[0] > 0 } @later;
  }
  next unless $found > 0;
  sysread(STDIN, $input, 65536, length $input) or exit 0;
  take($1) while $input =~ s/\A([^\n]*)\n//;
}
